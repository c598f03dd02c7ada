/** Image names: the short form that people type and the full form that records hold. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const DEFAULT_DOMAIN = 'docker.io';
const DEFAULT_REPOSITORY = 'library/';
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,}$/;
/** Of domain and repository together. */
const MAX_LENGTH = 255;
const DOMAIN = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9-]+(?::\d+)?$/;

export interface ImageName {
  /** `docker.io`, `host:5000`. */
  readonly domain: string;
  /** `library/busybox`. */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** Tag and digest only where they are given. Errors: InvalidArgument. */
export function parseName(name: string): ImageName {
  const at = name.indexOf('@');
  const [withoutDigest, digest] = at < 0 ? [name, undefined] : [name.slice(0, at), name.slice(at + 1)];
  const slash = withoutDigest.lastIndexOf('/');
  const colon = withoutDigest.indexOf(':', slash + 1);
  const path = colon < 0 ? withoutDigest : withoutDigest.slice(0, colon);
  const tag = colon < 0 ? undefined : withoutDigest.slice(colon + 1);
  const [first = '', ...rest] = path.split('/');
  const hasDomain = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  const domain = hasDomain ? first : DEFAULT_DOMAIN;
  const repository = hasDomain ? rest.join('/') : path;
  if (
    !DOMAIN.test(domain) ||
    (tag !== undefined && !TAG.test(tag)) ||
    (digest !== undefined && !DIGEST.test(digest)) ||
    domain.length + repository.length >= MAX_LENGTH ||
    !repository.split('/').every((part) => COMPONENT.test(part))
  ) {
    const message = /[A-Z]/.test(repository)
      ? 'invalid reference format: repository name must be lowercase'
      : 'invalid reference format';
    throw new HostError('InvalidArgument', 'INVALID_IMAGE_NAME', `${message}: "${name}"`);
  }
  const official = domain === DEFAULT_DOMAIN && !repository.includes('/');
  return {
    domain,
    path: official ? `${DEFAULT_REPOSITORY}${repository}` : repository,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  };
}

/** `busybox` → `docker.io/library/busybox:latest`. Errors: InvalidArgument. */
export function normalizeName(name: string): string {
  const { tag = 'latest', digest, ...repository } = parseName(name);
  return `${repositoryOf(repository)}:${tag}${digest ? `@${digest}` : ''}`;
}

/** `docker.io/library/busybox`. */
export function repositoryOf({ domain, path }: Pick<ImageName, 'domain' | 'path'>): string {
  return `${domain}/${path}`;
}

/** The shortest form that still means the same, with its tag or digest if it has one. */
export function familiarName(full: string): string {
  const name = full.startsWith(`${DEFAULT_DOMAIN}/`) ? full.slice(DEFAULT_DOMAIN.length + 1) : full;
  const isOfficial = name !== full && name.startsWith(DEFAULT_REPOSITORY) && !name.slice(8).includes('/');
  return isOfficial ? name.slice(DEFAULT_REPOSITORY.length) : name;
}
