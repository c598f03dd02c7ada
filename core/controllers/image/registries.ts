/** Registries as the operator has set them up, and what is asked of one apart from pulling and pushing. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { isIndex, parseIndex } from '../../../registry/client/manifest.ts';
import { type Platform, platformOf } from '../../../registry/client/platform.ts';
import { Repository } from '../../../registry/client/repository.ts';
import { type SearchResult, searchIndex } from '../../../registry/client/search.ts';
import type { RegistrySettings } from '../../../registry/client/settings.ts';
import type { Credentials } from '../../../registry/client/tokens.ts';
import type { RegistryDefaults } from '../../config/defaults.ts';
import { parseConfigPlatform } from '../../images/image-config.ts';
import { type ImageName, parseName } from '../image-name.ts';
import { asPullError } from './pull-error.ts';

const STALL_MS = 60_000;
const BACKOFF_MS = 500;

export interface Distribution {
  readonly mediaType: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly platforms: readonly Platform[];
}

export class Registries {
  readonly #defaults: { readonly registries: RegistryDefaults };
  readonly #userAgent: string;

  /** `defaults` is read anew for each piece of work. */
  constructor(defaults: { readonly registries: RegistryDefaults }, version: string) {
    this.#defaults = defaults;
    this.#userAgent = `gantry/${version}`;
  }

  get settings(): RegistrySettings {
    const { registries } = this.#defaults;
    const attempts = Math.max(1, registries.attempts);
    return { ...registries, attempts, userAgent: this.#userAgent, stallMs: STALL_MS, backoffMs: BACKOFF_MS };
  }

  get concurrentUploads(): number {
    return this.#defaults.registries.concurrentUploads || Number.MAX_SAFE_INTEGER;
  }

  /** The caller disposes of it. */
  repository(
    { domain, path }: Pick<ImageName, 'domain' | 'path'>,
    purpose: 'pull' | 'push',
    credentials: Credentials | undefined,
    readsFrom: readonly string[] = [],
  ): Repository {
    return new Repository({ domain, path, purpose, credentials, readsFrom, settings: this.settings });
  }

  /** What a registry has under a name. Errors: as a pull's. */
  async inspect(
    reference: string,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<Distribution> {
    const name = parseName(reference);
    await using repository = this.repository(name, 'pull', credentials);
    try {
      const found = await repository.manifest(name.digest ?? name.tag ?? 'latest', signal);
      const { mediaType, digest, bytes } = found;
      const sizeBytes = bytes.length;
      if (isIndex(found)) {
        const platforms = parseIndex(found).flatMap(({ platform }) => platform ?? []);
        return { mediaType, digest, sizeBytes, platforms };
      }
      const config = await repository.configOf(found, signal);
      return { mediaType, digest, sizeBytes, platforms: [platformOf(parseConfigPlatform(config))] };
    } catch (error) {
      throw asPullError(reference, error);
    }
  }

  /** Answers an identity token, '' when the registry gives none. Errors: Unauthenticated, Unavailable. */
  async login(address: string, credentials: Credentials, signal: AbortSignal): Promise<string> {
    const domain = hostOf(address);
    await using repository = this.repository({ domain, path: '' }, 'push', credentials);
    return repository.login(signal);
  }

  /** `term`: `WORD`, or `HOST/WORD` for another registry than Docker's. */
  async search(
    term: string,
    limit: number,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<readonly SearchResult[]> {
    const [first = '', ...rest] = term.split('/');
    const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
    const [domain, word] = hasHost ? [first, rest.join('/')] : ['docker.io', term];
    return searchIndex(domain, word, limit, { settings: this.settings, credentials, signal });
  }
}

/** `https://index.docker.io/v1/`, `host:5000`, '' for Docker's own. Errors: InvalidArgument. */
function hostOf(address: string): string {
  if (address === '') return 'docker.io';
  const whole = /^https?:\/\//.test(address) ? address : `https://${address}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url?.host) return url.host;
  throw new HostError('InvalidArgument', 'INVALID_REGISTRY', `"${address}" is no address of a registry`);
}
