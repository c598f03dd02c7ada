/** Requests that Docker refuses, with its words: members of a create request, and what comes of them. */

/** Status, and the message. `start`: the create is accepted, as in Docker, and the start refused. */
export interface Refused {
  readonly hostConfig?: object;
  readonly config?: object;
  readonly status: number;
  readonly says: RegExp;
  readonly start?: boolean;
}

const host = (hostConfig: object, says: RegExp, status = 400): Refused => ({ hostConfig, says, status });
const start = (hostConfig: object, says: RegExp, status = 400): Refused => ({
  hostConfig,
  says,
  status,
  start: true,
});

export const REFUSED: readonly Refused[] = [
  host({ Memory: 1 }, /^Minimum memory limit allowed is 6MB$/),
  host(
    { Memory: 2e7, MemorySwap: 1e7 },
    /^Minimum memoryswap limit should be larger than memory limit, see usage$/,
  ),
  host(
    { MemorySwap: 1e7 },
    /^You should always set the Memory limit when using Memoryswap limit, see usage$/,
  ),
  host({ MemoryReservation: 1 }, /^Minimum memory reservation allowed is 6MB$/),
  host(
    { Memory: 1e7, MemoryReservation: 2e7 },
    /^Minimum memory limit can not be less than memory reservation limit/,
  ),
  host({ MemorySwappiness: 200 }, /^Invalid value: 200, valid memory swappiness range is 0-100$/),
  host({ NanoCpus: 1e15 }, /^Range of CPUs is from 0\.01 to \d+\.00, as there are only \d+ CPUs available$/),
  host(
    { NanoCpus: 1e8, CpuQuota: 5000 },
    /^Conflicting options: Nano CPUs and CPU Quota cannot both be set$/,
  ),
  host(
    { NanoCpus: 1e8, CpuPeriod: 5000 },
    /^Conflicting options: Nano CPUs and CPU Period cannot both be set$/,
  ),
  host({ CpuPeriod: 10 }, /^CPU cfs period can not be less than 1ms \(i\.e\. 1000\) or larger than 1s/),
  host({ CpuQuota: 10 }, /^CPU cfs quota can not be less than 1ms \(i\.e\. 1000\)$/),
  host({ CpuShares: -1 }, /^shares: invalid argument$/),
  host({ CpusetCpus: '0-5000' }, /^Requested CPUs are not available - requested 0-5000, available: /),
  host({ CpusetCpus: '0,x' }, /^Invalid value 0,x for cpuset cpus: invalid format: 0,x$/),
  host({ CpusetMems: '77' }, /^Requested memory nodes are not available - requested 77, available: /),
  host({ CpuRealtimePeriod: 10, CpuRealtimeRuntime: 20 }, /real-time/),
  host({ IOMaximumIOps: 5 }, /^Invalid QoS settings: linux does not support configuration of maximum IOPs$/),
  host({ OomScoreAdj: 2000 }, /^Invalid value 2000, range for oom score adj is \[-1000, 1000\]$/),
  host({ ShmSize: -1 }, /^SHM size can not be less than 0$/),
  host({ IpcMode: 'x' }, /^invalid IPC mode: x$/),
  host({ IpcMode: 'container:' }, /^invalid IPC mode: container:$/),
  host({ PidMode: 'private' }, /^invalid PID mode: private$/),
  host({ UTSMode: 'x' }, /^invalid UTS mode: x$/),
  host({ UsernsMode: 'x' }, /^invalid userns mode: x$/),
  host({ CgroupnsMode: 'x' }, /^invalid cgroup namespace mode: x$/),
  host({ CapAdd: ['NOSUCH'] }, /^invalid CapAdd: unknown capability: "NOSUCH"$/),
  host({ CapDrop: ['NOSUCH'] }, /^invalid CapDrop: unknown capability: "NOSUCH"$/),
  host({ SecurityOpt: ['nosuch'] }, /^invalid --security-opt 1: "nosuch"$/),
  host({ SecurityOpt: ['nosuch=1'] }, /^invalid --security-opt 2: "nosuch=1"$/),
  host({ SecurityOpt: ['no-new-privileges=x'] }, /^invalid --security-opt 2: "no-new-privileges=x"$/),
  host({ SecurityOpt: ['systempaths=unconfined'] }, /^invalid --security-opt 2: "systempaths=unconfined"$/),
  host({ SecurityOpt: ['seccomp=/no/such'] }, /^Decoding seccomp profile failed: /),
  host(
    { SecurityOpt: ['seccomp={"defaultAction":"SCMP_ACT_X"}'] },
    /SCMP_ACT_X is not a valid action for seccomp$/,
  ),
  host(
    { SecurityOpt: ['seccomp={"defaultAction":5}'] },
    /^Decoding seccomp profile failed: defaultAction must be string/,
  ),
  host({ Ulimits: [{ Name: 'x', Soft: 1, Hard: 1 }] }, /^invalid ulimit type: x$/),
  host(
    { Ulimits: [{ Name: 'nofile', Soft: 3, Hard: 2 }] },
    /must be less than or equal to hard limit: 3 > 2$/,
  ),
  host(
    { Sysctls: { 'vm.swappiness': '1' } },
    /^sysctl "vm\.swappiness" is not in a separate kernel namespace$/,
  ),
  host({ Sysctls: { 'kernel.hostname': 'x' } }, /conflicts with the OCI "hostname" field$/),
  host(
    { Sysctls: { 'net.core.somaxconn': '1' }, NetworkMode: 'host' },
    /not allowed in the host's network namespace$/,
  ),
  host({ Sysctls: { 'kernel.msgmax': '1' }, IpcMode: 'host' }, /not allowed in the host's ipc namespace$/),
  host({ Devices: [{ PathOnHost: '/dev/null', CgroupPermissions: 'x' }] }, /^bad mode specified: x$/),
  host({ DeviceCgroupRules: ['c 1:3 x'] }, /^invalid device cgroup rule format: 'c 1:3 x'$/),
  host({ DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }, /with capabilities: \[\[gpu\]\]/, 501),
  host({ ExtraHosts: ['db'] }, /^bad format for add-host: "db"$/),
  host({ ExtraHosts: ['db:nowhere'] }, /^invalid IP address in add-host: "nowhere"$/),
  host({ Dns: ['nowhere'] }, /^bad nameserver address: "nowhere"$/),
  host({ Isolation: 'hyperv' }, /linux only supports 'default'/),
  host({ StorageOpt: { size: '1G' } }, /^--storage-opt is supported only for overlay over xfs/),
  host({ Runtime: 'nosuch' }, /^unknown or invalid runtime name: nosuch/),
  { config: { MacAddress: 'x' }, status: 400, says: /^address x: invalid MAC address$/ },
  { config: { Hostname: 'x'.repeat(65) }, status: 400, says: /^invalid hostname/ },
  {
    config: { Hostname: 'x' },
    hostConfig: { UTSMode: 'host' },
    status: 400,
    says: /^conflicting options: hostname and the UTS mode$/,
  },
  start(
    { Devices: [{ PathOnHost: '/dev/nosuch' }] },
    /custom device "\/dev\/nosuch": no such file or directory$/,
  ),
  start({ Devices: [{ PathOnHost: '/etc/passwd' }] }, /custom device "\/etc\/passwd": not a device node$/),
  start(
    { BlkioDeviceReadBps: [{ Path: '/dev/nosuch', Rate: 1 }] },
    /^stat \/dev\/nosuch: no such file or directory$/,
  ),
  start({ IpcMode: 'container:nosuch' }, /^No such container: nosuch$/, 404),
  start({ IpcMode: 'container:private' }, /^can't join IPC of container \w{64}: non-shareable IPC/, 409),
  start({ PidMode: 'container:still' }, /^cannot join PID of a non running container: \w{64}$/, 409),
  start({ GroupAdd: ['nosuch'] }, /^Unable to find group nosuch: no matching entries in group file$/),
  start({ ExtraHosts: ['db:host-gateway'] }, /^unable to derive the IP value for host-gateway/, 409),
  {
    config: { User: 'nosuch' },
    status: 400,
    says: /^unable to find user nosuch: no matching entries/,
    start: true,
  },
  {
    config: { User: 'root:nosuch' },
    status: 400,
    says: /^unable to find group nosuch: no matching/,
    start: true,
  },
  {
    config: { User: '99999999999' },
    status: 400,
    says: /^uids and gids must be in range 0-2147483647$/,
    start: true,
  },
  {
    config: { WorkingDir: '/etc/passwd' },
    status: 400,
    says: /^Cannot mkdir: \/etc\/passwd is not a dir/,
    start: true,
  },
];
