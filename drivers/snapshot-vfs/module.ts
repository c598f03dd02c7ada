/** Image layers and containers' file systems as plain copies. */
import { type SnapshotDriver, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { Trash } from '@gantry/plugin-sdk/system/trash.ts';
import { VfsDriver } from './driver.ts';
import { LayerCopies } from './layers.ts';

export const snapshotVfs: DriverModule<SnapshotDriver> = {
  point: snapshotPoint,
  name: 'vfs',
  requires: [],
  async start(host) {
    const trash = await Trash.open(host.rootDir, host.log);
    host.defer(() => trash.close());
    return VfsDriver.open(host, await LayerCopies.open(host.rootDir, trash), trash);
  },
};

export default snapshotVfs;
