/**
 * What containers look like inside: per group, `docker run` options with a script, and what it says. Words in capitals that
 * begin with HOST, and PROFILE and DEVICES, stand for what is only known on the machine; see the test.
 */

export interface Inside {
  readonly options: readonly string[];
  /** Of the container's shell. */
  readonly script: string;
  /** All of what it says, less the white space around it, or what is in it. */
  readonly says: string | RegExp;
  /** Warnings of the docker command; none when absent. */
  readonly warns?: RegExp;
}

const row = (options: string, script: string, says: string | RegExp, warns?: RegExp): Inside => ({
  options: options.split(' ').filter(Boolean),
  script,
  says,
  ...(warns && { warns }),
});

const MEGABYTE = 1024 * 1024;

/** On a machine with cgroups of version 1, where each controller has a directory. */
export const LIMITS_V1: readonly Inside[] = [
  row(
    '-m 20m --memory-reservation 10m --memory-swappiness 40',
    'cd /sys/fs/cgroup/memory; cat memory.limit_in_bytes memory.memsw.limit_in_bytes memory.soft_limit_in_bytes memory.swappiness',
    `${[20, 40, 10].map((megabytes) => megabytes * MEGABYTE).join('\n')}\n40`,
  ),
  row(
    '-m 20m --memory-swap 30m --oom-kill-disable',
    'cd /sys/fs/cgroup/memory; cat memory.memsw.limit_in_bytes; head -1 memory.oom_control',
    `${30 * MEGABYTE}\noom_kill_disable 1`,
  ),
  row('-m 20m --memory-swap -1', 'cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes', /^9\d{18}$/),
  row(
    '--cpus 0.5 --cpu-shares 100 --cpuset-cpus 0 --cpuset-mems 0 --pids-limit 20',
    'cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu/cpu.shares cpuset/cpuset.cpus cpuset/cpuset.mems pids/pids.max',
    '50000\n100000\n100\n0\n0\n20',
  ),
  row(
    '--cpu-quota 20000 --cpu-period 50000 --pids-limit -1',
    'cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us pids/pids.max',
    '20000\n50000\nmax',
  ),
  row(
    '--cgroup-parent /options-test/below',
    'grep pids /proc/self/cgroup',
    /:\/options-test\/below\/[0-9a-f]{64}$/,
  ),
  row('--cgroup-parent ../options-test', 'grep pids /proc/self/cgroup', /:\/options-test\/[0-9a-f]{64}$/),
  row('', 'grep pids /proc/self/cgroup', /:\/gantry\/[0-9a-f]{64}$/),
  row('--cgroupns private', 'grep pids /proc/self/cgroup', /:pids:\/$/),
];

/** On one with version 2 alone. */
export const LIMITS_V2: readonly Inside[] = [
  row(
    '-m 20m --memory-reservation 10m --cpus 0.5 --pids-limit 20 --cpuset-cpus 0',
    'cd /sys/fs/cgroup; cat memory.max memory.low cpu.max pids.max cpuset.cpus',
    `${20 * MEGABYTE}\n${10 * MEGABYTE}\n50000 100000\n20\n0`,
  ),
  row('', 'cat /proc/self/cgroup', '0::/'),
  row('--cgroupns host', 'cat /proc/self/cgroup', /^0::\/.*gantry\/[0-9a-f]{64}$/),
];

const STATUS = "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status";

export const INSIDE: Readonly<Record<string, readonly Inside[]>> = {
  'users and groups': [
    row('', 'id', 'uid=0(root) gid=0(root) groups=0(root)'),
    row('-u nobody', 'id; echo $HOME', 'uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)\n/home'),
    row('-u 1000', 'id; echo $HOME', 'uid=1000 gid=0(root) groups=0(root)\n/'),
    row('-u 1000:nogroup', 'id', 'uid=1000 gid=65534(nogroup) groups=65534(nogroup)'),
    row('-u 1000:5 --group-add nogroup --group-add 77', 'id', 'uid=1000 gid=5 groups=5,77,65534(nogroup)'),
    row('-u worker', 'id', 'uid=7(worker) gid=8(crew) groups=8(crew),9(more)'),
    row('-u 7', 'id -G', '8 9'),
    row('-u worker:0', 'id -G', '0'),
  ],
  'environment, entrypoint, working directory': [
    row('-e A=1 -e B= -h box', 'echo "$A,$B,$HOSTNAME,$HOME,$PATH"', /^1,,box,\/root,\/usr\/local\/sbin:/),
    row('-w /made/here', 'pwd; stat -c "%u:%g %a" /made/here /made', '/made/here\n0:0 755\n0:0 755'),
    row('-w /made/here --read-only', 'pwd; touch x 2>&1', /^\/made\/here\n.*Read-only file system/),
    row('-w /link', 'pwd', '/data'),
  ],
  'capabilities and privileges': [
    row('', STATUS, /CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2/),
    row('--cap-drop all --cap-add CAP_CHOWN --cap-add setuid', STATUS, /CapEff:\t0000000000000081\n/),
    row('-u nobody --cap-add sys_time', STATUS, /CapEff:\t0000000000000000\nCapBnd:\t00000000aa0425fb/),
    row('--cap-add ALL --cap-drop mknod', 'grep CapEff /proc/self/status', 'CapEff:\tHOST_CAPS_BUT_MKNOD'),
    row(
      '--privileged',
      `${STATUS}; grep -c '/proc/sys ' /proc/self/mountinfo; grep -E ' /sys( |/fs/cgroup)' /proc/self/mounts | grep -c ' ro,'`,
      /CapEff:\tHOST_CAPS\nCapBnd:\tHOST_CAPS\nNoNewPrivs:\t0\nSeccomp:\t0\n0\n0$/,
    ),
    row(
      '--privileged',
      'for d in null tty0 kmsg loop-control; do test -e /dev/$d || echo no $d; done; test -e /dev/pts/ptmx',
      'HOST_DEVICES',
    ),
    row('--security-opt no-new-privileges', STATUS, /NoNewPrivs:\t1/),
    row('--security-opt no-new-privileges=false', STATUS, /NoNewPrivs:\t0/),
    row('--security-opt seccomp=unconfined', STATUS, /Seccomp:\t0/),
    row('--security-opt seccomp=PROFILE', `${STATUS}; mkdir /x; echo $?`, /Seccomp:\t2\n(.*\n)*1$/),
    row('--security-opt apparmor=unconfined --security-opt label=disable', STATUS, /Seccomp:\t2/),
    row('--security-opt systempaths=unconfined', "grep -c ' /proc/' /proc/self/mountinfo", '0'),
    row('', "grep -c ' /proc/sys ro,' /proc/self/mountinfo", '1'),
  ],
  devices: [
    row('', 'ls /dev/full2 2>&1; ls -l /dev/full', /No such file(.|\n)* 1, +7 /),
    row(
      '--device /dev/full:/dev/full2',
      'ls -l /dev/full2; head -c 3 /dev/full2 | wc -c',
      / 1, +7 (.|\n)*\n3$/,
    ),
    row(
      '--cap-add syslog --device /dev/kmsg:/dev/log:r',
      'ls -l /dev/log; (: < /dev/log) && echo read; (: > /dev/log) 2>&1',
      / 1, +11 .*\nread\n.*Operation not permitted$/,
    ),
    row('--device DEVICES:/dev/some', 'cd /dev/some; find . -type c | sort', './below/two\n./one'),
    row('--device DEVICES/link:/dev/linked', 'ls -l /dev/linked', / 1, +3 /),
    {
      options: ['--cap-add', 'syslog', '--device-cgroup-rule', 'c 1:* r'],
      script: 'mknod /kmsg c 1 11; (: < /kmsg) && echo read; (: > /kmsg) 2>&1',
      says: /^read\n.*Operation not permitted$/,
    },
  ],
  namespaces: [
    row('--pid host', 'ls /proc 2>/dev/null | grep -c "^[0-9]*$"', /^\d{2,}$/),
    row('--uts host', 'hostname', 'HOST_NAME'),
    row('--network host', 'hostname; cat /etc/hostname', 'HOST_NAME\nHOST_NAME'),
    row('--userns host', 'cat /proc/self/uid_map', /^0 +0 +4294967295$/),
    row('--ipc none', 'ls -d /dev/shm 2>&1', /No such file/),
    row('--ipc host', 'readlink /proc/self/ns/ipc; grep -c " /dev/shm " /proc/self/mounts', 'HOST_IPC\n1'),
    row('', 'test $(readlink /proc/self/ns/ipc) != HOST_IPC && df -k /dev/shm | tail -1', /^shm +65536 /),
    row('--shm-size 3m', 'df -k /dev/shm | tail -1', /^shm +3072 /),
    row(
      '--ipc container:giver',
      'cat /dev/shm/given; df -k /dev/shm | tail -1; ls /dev/mqueue',
      /^given\nshm +2048 /,
    ),
    row('--pid container:giver', 'cat /proc/1/cmdline | tr "\\0" " "', 'sleep 100000'),
  ],
  'ulimits, sysctls, OOM score': [
    row(
      '--ulimit nofile=150 --ulimit stack=1048576:2097152',
      'ulimit -n; ulimit -s; ulimit -Hs',
      '150\n1024\n2048',
    ),
    row('--ulimit memlock=4096', 'ulimit -l', '4'),
    row(
      '--sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=9000',
      'cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax',
      '77\n9000',
    ),
    row('', 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start', '0'),
    row('--oom-score-adj 500', 'cat /proc/self/oom_score_adj', '500'),
  ],
  'hosts, DNS, names': [
    row(
      '-h box --domainname example.org',
      'hostname; cat /etc/hostname /proc/sys/kernel/domainname',
      'box\nbox\nexample.org',
    ),
    row(
      '--add-host db:10.1.2.3 --add-host six:::7',
      'cat /etc/hosts',
      /^127\.0\.0\.1\tlocalhost\n(.+\n)+10\.1\.2\.3\tdb\n::7\tsix$/,
    ),
    row(
      '--dns 10.9.8.7 --dns-search a.example --dns-search b.example --dns-option ndots:3',
      'cat /etc/resolv.conf',
      'nameserver 10.9.8.7\nsearch a.example b.example\noptions ndots:3',
    ),
    row(
      '--network host --add-host db:10.1.2.3',
      'tail -1 /etc/hosts; wc -l < /etc/hosts',
      /^10\.1\.2\.3\tdb\n\d+$/,
    ),
    row(
      '--read-only',
      'for f in hosts resolv.conf hostname; do (: > /etc/$f) 2>&1; done | grep -c Read-only',
      '3',
    ),
  ],
  'init, tmpfs, labels, annotations': [
    row('--init', 'cat /proc/1/cmdline | tr "\\0" " "', /^\/sbin\/docker-init -- sh -c/),
    row('--init --pid host', 'cat /proc/self/cmdline | tr "\\0" " "', /^cat/),
    row(
      '--tmpfs /t:size=1m,mode=700',
      'grep " /t " /proc/self/mounts; stat -c %a /t',
      /size=1024k(.|\n)*\n700$/,
    ),
    row('--annotation org.example=1', 'true', ''),
    row('--platform linux --label a=b', 'true', ''),
    row('--blkio-weight 100', 'true', '', /^$|^WARNING: Your kernel does not support Block I\/O weight/),
  ],
};
