/** `--memory` and its kin. */
import Type, { type Static } from 'typebox';
import { invalidOption, nullable, type Section, type Settling, whole } from './fields.ts';
import type { HostSupport } from './host-support.ts';

export const MEMORY_FIELDS = {
  Memory: whole,
  MemorySwap: whole,
  MemoryReservation: whole,
  MemorySwappiness: nullable(Type.Integer()),
  KernelMemory: whole,
  KernelMemoryTCP: whole,
  OomKillDisable: nullable(Type.Boolean()),
};
const Fields = Type.Object(MEMORY_FIELDS);
export type MemoryOptions = Static<typeof Fields>;

/** Source: moby daemon/daemon_unix.go, linuxMinMemory. */
const LEAST_BYTES = 6 * 1024 * 1024;

/** Checks, in Docker's order, and leaves out what the machine cannot do. `update`: of a container that is there. */
export function settleMemory(
  given: MemoryOptions,
  support: HostSupport,
  { warnings, update }: Settling & { readonly update: boolean },
): MemoryOptions {
  let { Memory = 0, MemorySwap = 0, MemoryReservation = 0 } = given;
  const { KernelMemory = 0, MemorySwappiness: swappiness } = given;
  if (Memory !== 0 && Memory < LEAST_BYTES) throw invalidOption('Minimum memory limit allowed is 6MB');
  if (Memory > 0 && !support.memoryLimit) {
    warnings.push(unsupported('memory limit capabilities', 'Limitation discarded.'));
    [Memory, MemorySwap] = [0, -1];
  }
  if (Memory > 0 && MemorySwap !== -1 && !support.swapLimit) {
    warnings.push(unsupported('swap limit capabilities', 'Memory limited without swap.'));
    MemorySwap = -1;
  }
  if (Memory > 0 && MemorySwap > 0 && MemorySwap < Memory) {
    throw invalidOption('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (Memory === 0 && MemorySwap > 0 && !update) {
    throw invalidOption('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  if (MemoryReservation > 0 && !support.memoryReservation) {
    warnings.push(unsupported('memory soft limit capabilities', 'Limitation discarded.'));
    MemoryReservation = 0;
  }
  if (MemoryReservation > 0 && MemoryReservation < LEAST_BYTES)
    throw invalidOption('Minimum memory reservation allowed is 6MB');
  if (Memory > 0 && MemoryReservation > 0 && Memory < MemoryReservation) {
    throw invalidOption('Minimum memory limit can not be less than memory reservation limit, see usage');
  }
  if (KernelMemory > 0)
    warnings.push(unsupported('kernel memory limit capabilities', 'Limitation discarded.'));
  return {
    Memory,
    // Docker's default: as much swap as memory.
    MemorySwap: Memory > 0 && MemorySwap === 0 && !update ? Memory * 2 : MemorySwap,
    MemoryReservation,
    MemorySwappiness: settleSwappiness(swappiness, support, warnings),
    KernelMemory: 0,
    KernelMemoryTCP: 0,
    OomKillDisable: settleOomKill(given, Memory, support, warnings),
  };
}

function settleSwappiness(
  given: number | null | undefined,
  support: HostSupport,
  warnings: string[],
): number | null {
  // -1 is how older clients say "not given".
  if (given === undefined || given === null || given === -1) return null;
  if (!support.memorySwappiness) {
    warnings.push(unsupported('memory swappiness capabilities', 'Memory swappiness discarded.'));
    return null;
  }
  if (given >= 0 && given <= 100) return given;
  throw invalidOption(`Invalid value: ${given}, valid memory swappiness range is 0-100`);
}

function settleOomKill(
  { OomKillDisable: given }: MemoryOptions,
  memory: number,
  support: HostSupport,
  warnings: string[],
): boolean | null {
  if (!support.oomKillDisable) {
    if (given) warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    return null;
  }
  if (given && memory === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  return given ?? false;
}

export function unsupported(what: string, consequence: string): string {
  return `Your kernel does not support ${what} or the cgroup is not mounted. ${consequence}`;
}

/** The OCI `memory` section; undefined when nothing is limited. */
export function memoryResources(options: MemoryOptions): Section | undefined {
  const { Memory, MemorySwap, MemoryReservation, MemorySwappiness, OomKillDisable } = options;
  const section = {
    ...(Memory && Memory > 0 && { limit: Memory }),
    ...(MemorySwap && (MemorySwap > 0 || Memory) && { swap: MemorySwap }),
    ...(MemoryReservation && MemoryReservation > 0 && { reservation: MemoryReservation }),
    ...(typeof MemorySwappiness === 'number' && { swappiness: MemorySwappiness }),
    ...(OomKillDisable && { disableOOMKiller: true }),
  };
  return Object.keys(section).length > 0 ? section : undefined;
}
