/** The rest of a day with containers and images: groups as in cases.ts, which runs them after its own. */
import type { Case } from './cases.ts';

const FILES: readonly Case[] = [
  [
    "docker run -d --name ff --network none busybox sh -c 'echo made > /made; rm /etc/passwd; sleep 1000'",
    /./,
  ],
  ['echo here > here; docker cp here ff:/tmp/there', ''],
  ['docker exec ff cat /tmp/there', 'here'],
  ['docker cp ff:/made - | tar -xO', 'made'],
  ['docker cp ff:/made back && cat back', /made$/],
  [
    'docker cp ff:/nosuch .',
    { code: 1, err: /Could not find the file \/nosuch in container ff|No such container:path: ff:\/nosuch/ },
  ],
  ['docker cp here nosuch:/', { code: 1, err: /no such directory/ }],
  ['docker cp nosuch:/etc .', { code: 1, err: /No such container(:path)?: nosuch/ }],
  [
    'mkdir -p tree/in && echo x > tree/in/x; docker cp tree ff:/copied && docker exec ff cat /copied/in/x',
    'x',
  ],
  ['tar -cf - here | docker cp - ff:/opt-less', { code: 1, err: /must be a directory/ }],
  ['tar -cf - here | docker cp - ff:/tmp && docker exec ff cat /tmp/here', 'here'],
  ['docker stop -t 1 ff', 'ff'],
  ['docker cp ff:/tmp/there - | tar -xO', 'here'],
  ['docker cp here ff:/later', ''],
  [
    'docker diff ff | grep -E "made|passwd|later|^C /etc$" | sort',
    'A /later\nA /made\nC /etc\nD /etc/passwd',
  ],
  ['docker export ff | tar -xO later', 'here'],
  ['docker export -o f.tar ff && tar -xOf f.tar made', 'made'],
  [
    `docker commit -m 'by hand' -a me -c 'CMD ["cat","/made"]' -c 'ENV A=b' ff committed:1`,
    /^sha256:[0-9a-f]{64}$/,
  ],
  ['docker run --rm --network none committed:1', 'made'],
  ["docker history --format '{{.Comment}}' committed:1 | head -1", 'by hand'],
  ["docker image inspect committed:1 --format '{{.Author}} {{.Config.Env}}'", /^me .*A=b/],
  ['docker rm ff', 'ff'],
  ['docker rmi committed:1', /^Untagged: committed:1\nDeleted: sha256:/],
];

const TAGS: readonly Case[] = [
  ['docker tag busybox busybox:2', ''],
  ['docker tag busybox other/name', ''],
  ['docker tag nosuch x', { code: 1, err: /No such image: nosuch/ }],
  ['docker tag busybox UPPER', { code: 1, err: /must be lowercase/ }],
  [
    "docker images --format '{{.Repository}}:{{.Tag}}' | sort",
    'busybox:2\nbusybox:latest\nother/name:latest\nwithdata:1',
  ],
  ['docker save busybox:2 withdata:1 | tar -t | grep -c manifest.json', '1'],
  ['docker save -o saved.tar busybox:2 && docker rmi busybox:2', 'Untagged: busybox:2'],
  ['docker load -i saved.tar', 'Loaded image: busybox:2'],
  ['docker save nosuch', { code: 1, err: /nosuch/ }],
  ['docker rmi busybox:2 other/name', 'Untagged: busybox:2\nUntagged: other/name:latest'],
  ['docker import rootfs.tar > /dev/null; docker image prune -f', /^Deleted Images:\ndeleted: sha256:/],
  ["docker image ls --filter since=busybox --format '{{.Repository}}' | sort -u", /withdata|^$/],
];

const AROUND: readonly Case[] = [
  [
    'docker run -d --name ww --network none --memory 64m -l of=day busybox sh -c "trap exit TERM; while :; do sleep 1; done"',
    /./,
  ],
  ['docker top ww', /PID .*\n.*sh -c/],
  ['docker top ww -o pid,args', /^ *PID +COMMAND\n *\d+ +sh -c/],
  [
    "docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' ww",
    /^ww [\d.]+\w?i?B \/ 64MiB [12]$/,
  ],
  ['docker stats --no-stream', /CONTAINER ID .*\n[0-9a-f]{12} +ww /],
  ['docker update --memory 100m --memory-swap 200m --cpu-shares 512 ww', 'ww'],
  ["docker inspect ww --format '{{.HostConfig.Memory}} {{.HostConfig.CpuShares}}'", '104857600 512'],
  ['docker update --restart on-failure:3 ww', 'ww'],
  ["docker inspect ww --format '{{.HostConfig.RestartPolicy.Name}}'", 'on-failure'],
  ['docker update nosuch --memory 1g', { code: 1, err: /No such container: nosuch/ }],
  ["docker ps --filter label=of=day --filter status=running --format '{{.Names}}'", 'ww'],
  ["docker ps --filter ancestor=busybox --filter name='^ww$' --format '{{.Names}}'", 'ww'],
  ["docker ps -a --filter exited=0 --format '{{.Names}}'", ''],
  ['docker ps --filter nosuch=1', { code: 1, err: /invalid filter/ }],
  ["docker ps -n 1 --format '{{.Names}}'", 'ww'],
  ["docker ps -s --format '{{.Size}}'", /^\d.*\(virtual .*\)$/],
  [
    "sleep 1.1; docker events --since 1h --until 0s --filter container=ww --format '{{.Action}}' | sort -u | tr '\\n' ' '",
    /create .*start .*top .*update/,
  ],
  [
    "docker events --since 1h --until 0s --filter type=volume --filter event=create --format '{{.Actor.ID}}' | head -1",
    /./,
  ],
  ['docker stop ww', 'ww'],
  ["docker inspect ww --format '{{.State.Status}} {{.State.ExitCode}}'", 'exited 0'],
  ['docker rm ww', 'ww'],
];

const RESTARTS: readonly Case[] = [
  ['docker run -d --name again --network none --restart on-failure:2 busybox sh -c "exit 3"', /./],
  [
    'i=0; while [ $i -lt 300 ] && [ "$(docker inspect again --format "{{.RestartCount}}{{.State.Status}}")" != 2exited ]; do i=$((i+1)); sleep 0.1; done; docker inspect again --format "{{.RestartCount}} {{.State.ExitCode}}"',
    '2 3',
  ],
  ['docker rm again', 'again'],
  ['docker run --restart nosuch busybox', { code: 125, err: /invalid restart policy/ }],
  [
    'docker run --rm --restart always busybox',
    { code: 125, err: /[Cc]onflicting options|can't create|cannot/ },
  ],
  [
    "docker run -d --name well --network none --health-cmd 'test -e /ok' --health-interval 200ms --health-retries 1 busybox sh -c 'touch /ok; sleep 1000'",
    /./,
  ],
  [
    'i=0; while [ $i -lt 300 ] && [ "$(docker inspect well --format "{{.State.Health.Status}}")" != healthy ]; do i=$((i+1)); sleep 0.1; done; docker ps --format "{{.Status}}"',
    /\(healthy\)$/,
  ],
  ['docker rm -f well', 'well'],
];

const OPTIONS: readonly Case[] = [
  ['docker run --rm --network none --privileged busybox sh -c "ls /dev | wc -l"', /^\d{2,}$/],
  [
    'docker run --rm --network none --ulimit nofile=100:200 busybox sh -c "ulimit -n; ulimit -Hn"',
    '100\n200',
  ],
  [
    'docker run --rm --network none --sysctl net.ipv4.ip_forward=1 busybox cat /proc/sys/net/ipv4/ip_forward',
    '1',
  ],
  [
    'docker run --rm --network none --cpus 0.5 --cpuset-cpus 0 busybox grep Cpus_allowed_list /proc/self/status',
    /\t0$/,
  ],
  ['docker run --rm --network none --device /dev/null:/dev/mine busybox ls /dev/mine', '/dev/mine'],
  ['docker run --rm --network none --tmpfs /t:size=1m busybox sh -c "df -k /t | tail -1"', / 1024 /],
  ['docker run --rm --network none --init busybox cat /proc/1/comm', /docker-init|catatonit/],
  ['docker run --rm --network none --pid host busybox sh -c "test -d /proc/2 && echo host"', 'host'],
  ['docker run --rm --network none --group-add 7 -u 1 busybox id -G', '0 7'],
  ['docker run --rm --network none --add-host a:1.2.3.4 busybox grep 1.2.3.4 /etc/hosts', /1\.2\.3\.4\s+a$/],
  ['docker run --rm --network none --dns 9.9.9.9 busybox cat /etc/resolv.conf', /nameserver 9\.9\.9\.9/],
  ['docker run --rm --network none --shm-size 8m busybox sh -c "df -k /dev/shm | tail -1"', / 8192 /],
  [
    'docker run --rm --network none --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status',
    /1$/,
  ],
  [
    'docker run --rm --network none --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status',
    /0$/,
  ],
  ['docker run --rm --network none --hostname h --domainname d busybox hostname', /^h/],
  ['docker run --rm --network none --label a=b --annotation c=d busybox true', { since: 23 }],
  ['docker run --rm --network none --oom-score-adj 500 busybox cat /proc/self/oom_score_adj', '500'],
  [
    'docker run --rm --network none --memory 1k busybox true',
    { code: 125, err: /Minimum memory limit allowed is 6MB/ },
  ],
];

const NETWORKS: readonly Case[] = [
  ["docker network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'", 'host host local\nnone null local'],
  ['docker network ls -q --filter name=none', /^[0-9a-f]{12}$/],
  ["docker network inspect none --format '{{.Driver}} {{len .Containers}}'", 'null 0'],
  [
    'docker network inspect nosuch',
    { code: 1, out: '[]', err: /network nosuch not found|No such network: nosuch/ },
  ],
  ['docker network rm none', { code: 1, err: /none is a pre-defined network and cannot be removed/ }],
  ['docker network prune -f', ''],
  [
    'docker network create mine',
    { code: 1, err: /POST \/networks\/create is not supported: it is not there yet/ },
  ],
];

const SYSTEM: readonly Case[] = [
  ['docker system df', /Images +\d+ .*\nContainers +0 .*\nLocal Volumes/],
  ['docker system df -v', /Images space usage:/],
  ['docker system info --format "{{.ServerVersion}}"', /./],
  ['docker create --name gone busybox > /dev/null; docker system prune -f | head -1', 'Deleted Containers:'],
  ['docker system prune -af --volumes | tail -1', /^Total reclaimed space: /],
  ['docker images -q', ''],
];

/** The last one removes the images. */
export const DAILY: Readonly<Record<string, readonly Case[]>> = {
  files: FILES,
  tags: TAGS,
  around: AROUND,
  restarts: RESTARTS,
  options: OPTIONS,
  networks: NETWORKS,
  'system, and everything gone': SYSTEM,
};
