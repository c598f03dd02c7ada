/** What a log says about its container: the labels and variables that the options name, and the tag. */
import type { LogInfo } from '../contracts/log.ts';
import { invalidOption } from './options.ts';

export const ATTRIBUTE_OPTIONS: readonly string[] = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];

/** Sorted by name. Errors: InvalidArgument for a pattern or a tag that cannot be read. */
export function logAttributes(info: LogInfo): Readonly<Record<string, string>> {
  const { tag = '' } = info.options;
  const attributes = { ...extraAttributes(info), ...(tag !== '' && { tag: renderTag(tag, info) }) };
  return Object.fromEntries(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function extraAttributes({ options, labels, env }: LogInfo): Record<string, string> {
  const variables = env.map((entry) => entry.split(/=(.*)/s)).filter((parts) => parts.length > 1);
  return Object.fromEntries([
    ...pick(options.labels, options['labels-regex'], Object.entries(labels)),
    ...pick(options.env, options['env-regex'], variables),
  ]);
}

type Pair = readonly [name: string, value: string];

function pick(
  names: string | undefined,
  regex: string | undefined,
  pairs: readonly (readonly string[])[],
): Pair[] {
  const wanted = names?.split(',') ?? [];
  const pattern = regex ? patternOf(regex) : undefined;
  return pairs
    .map(([name = '', value = '']): Pair => [name, value])
    .filter(([name]) => wanted.includes(name) || pattern?.test(name));
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw invalidOption(`error parsing regexp: ${(error as Error).message}`);
  }
}

const FIELDS: Readonly<Record<string, (info: LogInfo) => string>> = {
  ID: ({ containerId }) => containerId.slice(0, 12),
  FullID: ({ containerId }) => containerId,
  Name: ({ containerName }) => containerName.replace(/^\//, ''),
  ImageID: ({ imageId }) => imageId.slice(0, 12),
  ImageFullID: ({ imageId }) => imageId,
  ImageName: ({ imageName }) => imageName,
  DaemonName: ({ daemonName }) => daemonName,
  Command: ({ entrypoint, args }) => [entrypoint, ...args].join(' '),
  ContainerID: ({ containerId }) => containerId,
  ContainerName: ({ containerName }) => containerName,
  ContainerImageID: ({ imageId }) => imageId,
  ContainerImageName: ({ imageName }) => imageName,
  ContainerEntrypoint: ({ entrypoint }) => entrypoint,
};
const FUNCTIONS: Readonly<Record<string, (text: string) => string>> = {
  lower: (text) => text.toLowerCase(),
  upper: (text) => text.toUpperCase(),
  json: (text) => JSON.stringify(text),
  title: (text) => text.replace(/(^|\s)\S/g, (first) => first.toUpperCase()),
};

/**
 * `{{.Name}}/{{.ID}}`, also through `lower`, `upper`, `title` and `json`, and `{{(.ExtraAttributes nil).NAME}}`: the part
 * of Go's templates that tags are made of. Errors: InvalidArgument.
 */
export function renderTag(template: string, info: LogInfo): string {
  return template.replace(/\{\{-?\s*(.*?)\s*-?\}\}/g, (_, expression: string) => {
    const [, attribute] = /^\(\s*\.ExtraAttributes nil\s*\)\.(\w+)$/.exec(expression) ?? [];
    if (attribute !== undefined) return extraAttributes(info)[attribute] ?? '<no value>';
    const [, name, field = ''] = /^(?:(\w+) )?\.(\w+)$/.exec(expression) ?? [];
    const value = Object.hasOwn(FIELDS, field) ? FIELDS[field]?.(info) : undefined;
    const through = name === undefined ? (text: string) => text : FUNCTIONS[name];
    if (value === undefined || through === undefined) {
      const what =
        field === '' ? `cannot read ${JSON.stringify(expression)}` : `can't evaluate field ${field}`;
      throw invalidOption(`template: log-tag: executing "log-tag" at <${expression}>: ${what}`);
    }
    return through(value);
  });
}

/** As `docker logs --details` shows them: `NAME=value,NAME=value`, escaped as Docker does. */
export function detailsText(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${escaped(name)}=${escaped(value)}`)
    .sort()
    .join(',');
}

/** Go's `url.QueryEscape`. */
function escaped(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (byte) => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}
