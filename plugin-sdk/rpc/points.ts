/** Which points JSON-RPC drivers can serve: all of them. */
import { logPoint } from '../contracts/log.ts';
import { mountPoint } from '../contracts/mount.ts';
import { runtimePoint } from '../contracts/runtime.ts';
import { snapshotPoint } from '../contracts/snapshot.ts';
import { volumePoint } from '../contracts/volume.ts';
import type { PointMessages } from './messages.ts';
import { logMessages } from './points/log.ts';
import { mountMessages } from './points/mount.ts';
import { runtimeMessages } from './points/runtime.ts';
import { snapshotMessages } from './points/snapshot.ts';
import { volumeMessages } from './points/volume.ts';

const messages: ReadonlyMap<string, PointMessages> = new Map([
  [volumePoint.id, volumeMessages],
  [mountPoint.id, mountMessages],
  [snapshotPoint.id, snapshotMessages],
  [runtimePoint.id, runtimeMessages],
  [logPoint.id, logMessages],
]);

/** By contract method; undefined for a point that is not known here. */
export function messagesAt(pointId: string): PointMessages | undefined {
  return messages.get(pointId);
}

/** `gantry.volume.v1.create`. */
export function rpcName(pointId: string, method: string): string {
  return `${pointId}.${method}`;
}
