/** `docker pull`: one tag, one digest, or all tags of a repository, each as one operation. */
import { hostPlatform, parsePlatform } from '../../../registry/client/platform.ts';
import type { Repository } from '../../../registry/client/repository.ts';
import type { Credentials } from '../../../registry/client/tokens.ts';
import { imageEvent } from '../../events/emit.ts';
import type { EventLog } from '../../events/event-log.ts';
import { toUnpacked } from '../../images/archives.ts';
import type { ContentStore } from '../../images/content.ts';
import type { Downloads } from '../../images/downloads.ts';
import type { LayerProgress } from '../../images/progress.ts';
import { fetchImage, findImage } from '../../images/pull.ts';
import type { Images } from '../image.ts';
import { familiarName, type ImageName, parseName, repositoryOf } from '../image-name.ts';
import { asPullError } from './pull-error.ts';
import type { Registries } from './registries.ts';

export interface PullRequest {
  /** `busybox`, `host:5000/app`; with a digest or a tag, or without for all tags. */
  readonly reference: string;
  /** `linux/arm64`; '' for this machine's. */
  readonly platform: string;
  readonly credentials?: Credentials | undefined;
}

export type PullProgress =
  | { readonly kind: 'found'; readonly reference: string; readonly repository: string }
  | ({ readonly kind: 'layer' } & LayerProgress)
  | { readonly kind: 'done'; readonly digest: string; readonly name: string; readonly isNew: boolean };

export type ReportPull = (progress: PullProgress) => void;

export interface PullParts {
  readonly images: Images;
  readonly registries: Registries;
  readonly downloads: Downloads;
  readonly content: ContentStore;
  readonly events: EventLog;
}

export class Pulls {
  readonly #parts: PullParts;

  constructor(parts: PullParts) {
    this.#parts = parts;
  }

  /** Nothing is reported before the image was found. Errors: NotFound, Unavailable, InvalidArgument and what a disk has. */
  async pull(request: PullRequest, report: ReportPull, signal: AbortSignal): Promise<void> {
    const name = parseName(request.reference);
    const platform = request.platform === '' ? undefined : parsePlatform(request.platform);
    await using repository = this.#parts.registries.repository(name, 'pull', request.credentials);
    const one = name.digest ?? name.tag;
    const references = one === undefined ? await this.#tags(repository, name, signal) : [one];
    for (const reference of references)
      await this.#one(repository, { name, reference, platform }, report, signal);
  }

  async #tags(repository: Repository, name: ImageName, signal: AbortSignal): Promise<readonly string[]> {
    return repository.tags(signal).catch((error: unknown) => {
      throw asPullError(familiarName(repositoryOf(name)), error);
    });
  }

  async #one(
    repository: Repository,
    {
      name,
      reference,
      platform,
    }: { name: ImageName; reference: string; platform: ReturnType<typeof parsePlatform> | undefined },
    report: ReportPull,
    signal: AbortSignal,
  ): Promise<void> {
    const { images, downloads, content, events } = this.#parts;
    const full = repositoryOf(name);
    const isDigest = reference.includes(':');
    const spelled = familiarName(isDigest ? `${full}@${reference}` : `${full}:${reference}`);
    const chosen = { platform: platform ?? hostPlatform(), isChosen: platform !== undefined, signal };
    const found = await findImage(repository, reference, chosen).catch((error: unknown) => {
      throw asPullError(spelled, error);
    });
    report({ kind: 'found', reference, repository: name.path });
    const before = images.find(spelled);
    const known = images.find(found.config.descriptor.digest);
    // Docker says nothing about the layers of an image that it has.
    const isKnown = known?.manifest === found.manifest.digest;
    const id = found.config.descriptor.digest;
    try {
      const [image] = await images.takeIn('image.pull', signal, async (lease) => {
        const loaded = await fetchImage(found, {
          repository,
          downloads,
          lease,
          report: (progress) => isKnown || report({ kind: 'layer', ...progress }),
          signal,
        });
        const names = isDigest ? [] : [`${full}:${reference}`];
        return [{ ...toUnpacked(loaded), names, digests: [`${full}@${found.digest}`] }];
      });
      if (image) imageEvent(events, image.record, 'pull', spelled);
    } finally {
      // On a full disk what was fetched in vain is of less use than its room.
      await content.partials.trim({ all: await content.isFull() });
    }
    report({ kind: 'done', digest: found.digest, name: spelled, isNew: before?.id !== id });
  }
}
