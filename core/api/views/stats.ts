/** A container's use of the machine as the newest Engine API shows it. */
import os from 'node:os';
import type { BlockCounter, InterfaceCounters } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { ZERO_TIME } from '../../controllers/container/context.ts';
import type { Reading, Sample } from '../../controllers/stats/sampler.ts';

/** Zeros for a container that does not run. */
export function statsView({ id, name }: { id: string; name: string }, { current, before }: Reading): object {
  const networks = Object.entries(current?.task.networks ?? {});
  return {
    id,
    name: `/${name}`,
    os_type: 'linux',
    read: current?.at ?? ZERO_TIME,
    preread: before?.at ?? ZERO_TIME,
    pids_stats: pidsView(current),
    blkio_stats: blocksView(current),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuView(current),
    precpu_stats: cpuView(before),
    memory_stats: memoryView(current),
    ...(networks.length > 0 && {
      networks: Object.fromEntries(networks.map(([interfaceName, one]) => [interfaceName, networkView(one)])),
    }),
  };
}

function pidsView(sample: Sample | undefined): object {
  const { current, limit } = sample?.task.processes ?? {};
  return { ...(current && { current }), ...(limit && { limit }) };
}

function cpuView(sample: Sample | undefined): object {
  const cpu = sample?.task.cpu;
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perCpu && { percpu_usage: cpu.perCpu }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(sample && { system_cpu_usage: sample.systemCpu, online_cpus: sample.processors }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttled ?? 0,
    },
  };
}

/** Without a limit of its own a container may use what the machine has. */
function memoryView(sample: Sample | undefined): object {
  if (!sample) return {};
  const { usage, maxUsage, stats, failures, limit } = sample.task.memory;
  return {
    usage,
    ...(maxUsage && { max_usage: maxUsage }),
    stats,
    ...(failures && { failcnt: failures }),
    limit: Math.min(limit ?? Number.POSITIVE_INFINITY, os.totalmem()),
  };
}

function blocksView(sample: Sample | undefined): object {
  const entries = (counters: readonly BlockCounter[] | undefined) =>
    counters ? counters.map(({ major, minor, op, value }) => ({ major, minor, op, value })) : null;
  return {
    io_service_bytes_recursive: entries(sample?.task.blocks.bytes),
    io_serviced_recursive: entries(sample?.task.blocks.operations),
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
}

function networkView(one: InterfaceCounters): object {
  return {
    rx_bytes: one.rxBytes,
    rx_packets: one.rxPackets,
    rx_errors: one.rxErrors,
    rx_dropped: one.rxDropped,
    tx_bytes: one.txBytes,
    tx_packets: one.txPackets,
    tx_errors: one.txErrors,
    tx_dropped: one.txDropped,
  };
}
