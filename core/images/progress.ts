/** How far the layers of an image are, on their way in or out. */

export type LayerState =
  | 'awaited'
  | 'waiting'
  | 'downloading'
  | 'verifying'
  | 'downloaded'
  | 'extracting'
  | 'pulled'
  | 'known'
  | 'preparing'
  | 'pushing'
  | 'pushed'
  | 'known there'
  | 'mounted';

export interface LayerProgress {
  /** Digest of the blob, or the layer's diff id. */
  readonly digest: string;
  readonly state: LayerState;
  /** Of `downloading`, `extracting` and `pushing`. */
  readonly currentBytes?: number;
  readonly totalBytes?: number;
  /** Of `mounted`: the repository it came from. */
  readonly from?: string;
}

export type ReportLayer = (progress: LayerProgress) => void;
