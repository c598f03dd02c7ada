/**
 * Options of `dockerd` that Gantry has no use for. Most are warned about by name and left out; one that asks for a
 * protection is refused, since whoever set it relies on it.
 */

export interface ForeignOption {
  readonly flag: string;
  readonly short?: string;
  /** Name in the file; '' for what only a flag has. */
  readonly key: string;
  /** Whether the flag is followed by a value. */
  readonly takesValue: boolean;
  readonly refused: boolean;
  /** Goes on after `… has no effect:`. */
  readonly why: string;
}

const NO_BRIDGE = 'there are no bridge networks and no published ports yet';
const NO_SWARM = 'there is no swarm';
const NO_CONTAINERD = 'there is no containerd';
const OWN_BUILD = 'nothing is built here';

const value = (flag: string, why: string, key = flag): ForeignOption => ({
  ...{ flag, key, why, takesValue: true, refused: false },
});
const toggle = (flag: string, why: string): ForeignOption => ({ ...value(flag, why), takesValue: false });
const refuse = (row: ForeignOption): ForeignOption => ({ ...row, refused: true });

export const FOREIGN: readonly ForeignOption[] = [
  ...['bip', 'bip6', 'fixed-cidr', 'fixed-cidr-v6', 'default-gateway', 'default-gateway-v6', 'ip', 'mtu'].map(
    (flag) => value(flag, NO_BRIDGE),
  ),
  { ...value('bridge', NO_BRIDGE), short: 'b' },
  value('default-address-pool', NO_BRIDGE, 'default-address-pools'),
  value('default-network-opt', NO_BRIDGE, 'default-network-opts'),
  value('bridge-accept-fwmark', NO_BRIDGE),
  value('firewall-backend', NO_BRIDGE),
  value('userland-proxy-path', NO_BRIDGE),
  ...[
    'allow-direct-routing',
    'icc',
    'ip-forward',
    'ip-forward-no-drop',
    'ip-masq',
    'ip6tables',
    'iptables',
    'ipv6',
  ].map((flag) => toggle(flag, NO_BRIDGE)),
  toggle('userland-proxy', NO_BRIDGE),
  value('network-diagnostic-port', NO_SWARM),
  value('network-control-plane-mtu', NO_SWARM),
  value('swarm-default-advertise-addr', NO_SWARM),
  value('node-generic-resource', NO_SWARM, 'node-generic-resources'),
  ...[
    'containerd',
    'containerd-namespace',
    'containerd-plugins-namespace',
    'containerd-plugin-namespace',
  ].map((flag) => value(flag, NO_CONTAINERD)),
  toggle('cri-containerd', NO_CONTAINERD),
  { ...value('', OWN_BUILD, 'builder') },
  { ...value('', 'it switches nothing here', 'features') },
  value('feature', 'it switches nothing here', ''),
  toggle('experimental', 'there is nothing experimental to switch on'),
  toggle('raw-logs', 'the log has no colours'),
  value('api-cors-header', 'the API sends none'),
  value('storage-opt', 'the snapshot drivers have no options', 'storage-opts'),
  value('exec-opt', 'cgroups are made without systemd', 'exec-opts'),
  value('cdi-spec-dir', 'there are no CDI devices', 'cdi-spec-dirs'),
  value('cpu-rt-period', 'there are no real-time limits'),
  value('cpu-rt-runtime', 'there are no real-time limits'),
  value('oom-score-adjust', 'the service manager sets it'),
  value('allow-nondistributable-artifacts', 'all layers are pushed alike'),
  value('deprecated-key-path', 'there is no such key'),
  value('min-api-version', 'all versions from 1.24 on are served'),
  refuse(value('authorization-plugin', 'authorization plugins are not asked yet', 'authorization-plugins')),
  refuse(value('userns-remap', 'there are no user namespaces yet')),
  refuse(toggle('selinux-enabled', 'there are no SELinux labels yet')),
  refuse(toggle('rootless', 'the daemon runs as root only')),
];
