/** Events with the attributes that Docker gives each of their type. When to call: `event-log.ts`. */
import type { ContainerRecord, ImageRecord, VolumeRecord } from '../store/record-types.ts';
import type { EventLog } from './event-log.ts';

type Attributes = Readonly<Record<string, string>>;

export function containerEvent(
  events: EventLog,
  { id, name, imageName, config }: Pick<ContainerRecord, 'id' | 'name' | 'imageName' | 'config'>,
  action: string,
  attributes: Attributes = {},
): void {
  const labels = (config.Labels as Attributes | null | undefined) ?? {};
  events.emit('container', action, id, { ...labels, image: imageName, name, ...attributes });
}

/** `name`: the reference that it is about, `busybox:latest`, or the id when it is about none. */
export function imageEvent(
  events: EventLog,
  { id, config }: Pick<ImageRecord, 'id' | 'config'>,
  action: string,
  name: string = id,
): void {
  events.emit('image', action, id, { ...config.Labels, name });
}

export function volumeEvent(
  events: EventLog,
  { name, driver }: Pick<VolumeRecord, 'name' | 'driver'>,
  action: string,
  attributes: Attributes = {},
): void {
  events.emit('volume', action, name, { driver, ...attributes });
}

/** Of each volume that a container's start has mounted, or its end has let go. */
export function volumeMountEvents(
  events: EventLog,
  { id, mounts }: Pick<ContainerRecord, 'id' | 'mounts'>,
  action: 'mount' | 'unmount',
): void {
  for (const { type, source = '', target, readOnly, volume } of mounts) {
    if (type !== 'volume') continue;
    const mounted = { destination: target, 'read/write': String(!readOnly), propagation: '' };
    const attributes = { container: id, ...(action === 'mount' && mounted) };
    volumeEvent(events, { name: source, driver: volume?.driver ?? '' }, action, attributes);
  }
}
