/** `--blkio-weight`, `--device-read-bps` and their kin. */
import { stat } from 'node:fs/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { deviceNumber } from '@gantry/plugin-sdk/system/nodes.ts';
import Type, { type Static } from 'typebox';
import { invalidOption, nullable, type Section, type Settling, whole } from './fields.ts';
import type { HostSupport } from './host-support.ts';
import { unsupported } from './memory.ts';

const Weight = Type.Object({ Path: Type.String(), Weight: whole });
const Throttle = Type.Object({ Path: Type.String(), Rate: whole });
const throttles = nullable(Type.Array(Throttle));

export const BLOCK_IO_FIELDS = {
  BlkioWeight: whole,
  BlkioWeightDevice: nullable(Type.Array(Weight)),
  BlkioDeviceReadBps: throttles,
  BlkioDeviceWriteBps: throttles,
  BlkioDeviceReadIOps: throttles,
  BlkioDeviceWriteIOps: throttles,
  /** Of Windows. */
  IOMaximumIOps: whole,
  IOMaximumBandwidth: whole,
};
const Fields = Type.Object(BLOCK_IO_FIELDS);
export type BlockIoOptions = Static<typeof Fields>;

/** Field → name in the OCI specification, and how Docker calls it when the kernel has none. */
const THROTTLES = {
  BlkioDeviceReadBps: ['throttleReadBpsDevice', 'BPS Block I/O read limit', 'Block I/O BPS read limit'],
  BlkioDeviceWriteBps: ['throttleWriteBpsDevice', 'BPS Block I/O write limit', 'Block I/O BPS write limit'],
  BlkioDeviceReadIOps: ['throttleReadIOPSDevice', 'IOPS Block read limit', 'Block I/O IOPS read limit'],
  BlkioDeviceWriteIOps: ['throttleWriteIOPSDevice', 'IOPS Block write limit', 'Block I/O IOPS write limit'],
} as const;
type ThrottleField = keyof typeof THROTTLES;
const THROTTLE_FIELDS = Object.keys(THROTTLES) as readonly ThrottleField[];

export function settleBlockIo(
  given: BlockIoOptions,
  support: HostSupport,
  { warnings }: Settling,
): BlockIoOptions {
  let { BlkioWeight = 0 } = given;
  if (given.IOMaximumIOps)
    throw invalidOption('Invalid QoS settings: linux does not support configuration of maximum IOPs');
  if (given.IOMaximumBandwidth)
    throw invalidOption('Invalid QoS settings: linux does not support configuration of maximum bandwidth');
  if (BlkioWeight > 0 && !support.blockWeight) {
    warnings.push(unsupported('Block I/O weight', 'Weight discarded.'));
    BlkioWeight = 0;
  }
  if (BlkioWeight < 0 || (BlkioWeight > 0 && (BlkioWeight < 10 || BlkioWeight > 1_000)))
    throw invalidOption('Range of blkio weight is from 10 to 1000');
  const settled: BlockIoOptions = { ...given, BlkioWeight };
  if (given.BlkioWeightDevice?.length && !support.blockWeightDevice) {
    warnings.push(unsupported('Block I/O weight_device', 'Weight-device discarded.'));
    settled.BlkioWeightDevice = [];
  }
  for (const field of THROTTLE_FIELDS) {
    if (!given[field]?.length || support.blockThrottle) continue;
    const [, capability, limit] = THROTTLES[field];
    warnings.push(unsupported(capability, `${limit} discarded.`));
    settled[field] = [];
  }
  return settled;
}

/** The OCI `blockIO` section; undefined when nothing is set. Errors: InvalidArgument for a device that is not there. */
export async function blockIoResources(options: BlockIoOptions): Promise<Section | undefined> {
  const { BlkioWeight, BlkioWeightDevice } = options;
  const throttled = await Promise.all(
    THROTTLE_FIELDS.filter((field) => options[field]?.length).map(
      async (field) =>
        [THROTTLES[field][0], await Promise.all((options[field] ?? []).map(throttle))] as const,
    ),
  );
  const section = {
    ...(BlkioWeight && { weight: BlkioWeight }),
    ...(BlkioWeightDevice?.length && { weightDevice: await Promise.all(BlkioWeightDevice.map(weighted)) }),
    ...Object.fromEntries(throttled),
  };
  return Object.keys(section).length > 0 ? section : undefined;
}

async function throttle({ Path, Rate = 0 }: Static<typeof Throttle>): Promise<object> {
  return { ...(await numberOf(Path)), rate: Rate };
}

async function weighted({ Path, Weight: weight = 0 }: Static<typeof Weight>): Promise<object> {
  return { ...(await numberOf(Path)), weight };
}

async function numberOf(file: string): Promise<{ major: number; minor: number }> {
  try {
    return deviceNumber((await stat(file)).rdev);
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file or directory' : 'cannot be read';
    throw new HostError('InvalidArgument', 'DEVICE_NOT_FOUND', `stat ${file}: ${why}`);
  }
}
