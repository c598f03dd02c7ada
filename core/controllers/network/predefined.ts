/**
 * The networks that are there without anybody's making them: `none` and `host`. They hold nothing outside a container's
 * own namespace, so they need no driver and no record. Others are not there yet.
 */
import { createHash } from 'node:crypto';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export interface PredefinedNetwork {
  readonly name: 'none' | 'host';
  /** 64 hexadecimal digits, the same as long as the data root is. */
  readonly id: string;
  readonly driver: 'null' | 'host';
}

const known = new Map<string, readonly PredefinedNetwork[]>();

export function predefinedNetworks(engineId: string): readonly PredefinedNetwork[] {
  // Asked for each container of a list.
  const found = known.get(engineId) ?? makeNetworks(engineId);
  known.set(engineId, found);
  return found;
}

function makeNetworks(engineId: string): readonly PredefinedNetwork[] {
  const idOf = (name: string) => createHash('sha256').update(`${engineId}/network/${name}`).digest('hex');
  return [
    { name: 'host', id: idOf('host'), driver: 'host' },
    { name: 'none', id: idOf('none'), driver: 'null' },
  ];
}

/** By its name, its id or the beginning of that. Errors: NotFound. */
export function findNetwork(engineId: string, reference: string): PredefinedNetwork {
  const all = predefinedNetworks(engineId);
  const found =
    all.find(({ name, id }) => name === reference || id === reference) ??
    all.find(({ id }) => reference !== '' && id.startsWith(reference));
  if (!found) throw new HostError('NotFound', 'NETWORK_NOT_FOUND', `network ${reference} not found`);
  return found;
}

/** Errors: always; NotFound, or PermissionDenied for one of ours. */
export function removeNetwork(engineId: string, reference: string): never {
  const { name } = findNetwork(engineId, reference);
  const message = `${name} is a pre-defined network and cannot be removed`;
  throw new HostError('PermissionDenied', 'NETWORK_PREDEFINED', message);
}
