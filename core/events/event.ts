/** One thing that happened, in the words of Docker's `GET /events`. */

export type EventType =
  | 'container'
  | 'image'
  | 'volume'
  | 'network'
  | 'plugin'
  | 'daemon'
  | 'builder'
  | 'service'
  | 'node'
  | 'secret'
  | 'config';

export interface EventMessage {
  readonly type: EventType;
  /** `start`, or with words of its own: `exec_create: sh -c ls`, `health_status: healthy`. */
  readonly action: string;
  /** Id of a container, an image or a network; name of a volume. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly scope: 'local' | 'swarm';
  /** Nanoseconds since 1970. */
  readonly at: bigint;
  /** All of it as Docker's JSON, one line without its end. */
  readonly text: string;
}

/** With its text. The time does not fit a JavaScript number, so it is put in as text. */
export function toEvent(parts: Omit<EventMessage, 'text'>): EventMessage {
  const { type, action, id, attributes, scope, at } = parts;
  const shape = {
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope,
    time: Number(at / 1_000_000_000n),
  };
  return { ...parts, text: `${JSON.stringify(shape).slice(0, -1)},"timeNano":${at}}` };
}

/** Of the text of one; undefined when it is cut off or something else. */
export function parseEvent(text: string): EventMessage | undefined {
  const at = /,"timeNano":(\d+)\}$/.exec(text)?.[1];
  if (at === undefined) return undefined;
  try {
    const { Type: type, Action: action, Actor, scope } = JSON.parse(text);
    if (![type, action, Actor?.ID].every((word) => typeof word === 'string')) return undefined;
    return { type, action, id: Actor.ID, attributes: Actor.Attributes ?? {}, scope, at: BigInt(at), text };
  } catch {
    return undefined;
  }
}
