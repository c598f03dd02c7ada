/** Image layers and containers' file systems with the kernel's overlay. */
import { type SnapshotDriver, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { Trash } from '@gantry/plugin-sdk/system/trash.ts';
import { OverlayDriver } from './driver.ts';
import { LayerDirectory } from './layers.ts';
import { probeOverlay } from './probe.ts';

export const snapshotOverlay: DriverModule<SnapshotDriver> = {
  point: snapshotPoint,
  name: 'overlay',
  requires: [],
  async start(host) {
    await probeOverlay(host.rootDir);
    const trash = await Trash.open(host.rootDir, host.log);
    host.defer(() => trash.close());
    const layers = await LayerDirectory.open(host.rootDir, trash);
    host.defer(() => layers.close());
    return OverlayDriver.open(host, layers, trash);
  },
};

export default snapshotOverlay;
