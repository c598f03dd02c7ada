/**
 * TLS of one host, as Docker reads it from `certs.d/HOST/`: `*.crt` are authorities, `NAME.cert` with `NAME.key` is what
 * this side shows. Source: docs.docker.com, "Verify repository client with certificates".
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const SYSTEM_BUNDLES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** `host`: with its port, if it has one. Errors: FailedPrecondition for certificates that cannot be used. */
export async function secureContextFor(host: string, dirs: readonly string[]): Promise<SecureContext> {
  const { authorities, pairs } = await certificatesOf(host, dirs);
  try {
    return createSecureContext({
      ca: [...(await systemAuthorities()), ...authorities],
      ...(pairs.length > 0 && { cert: pairs.map(({ cert }) => cert), key: pairs.map(({ key }) => key) }),
    });
  } catch (cause) {
    throw badCertificates(host, (cause as Error).message);
  }
}

async function certificatesOf(host: string, dirs: readonly string[]) {
  for (const dir of dirs.map((one) => path.join(one, host))) {
    const names = await readdir(dir).catch(() => undefined);
    if (!names) continue;
    const read = (name: string) => readFile(path.join(dir, name));
    const clients = names.filter((name) => name.endsWith('.cert'));
    const missing = clients.map(keyOf).filter((name) => !names.includes(name));
    if (missing.length > 0) throw badCertificates(host, `"${dir}" has no ${missing.join(', ')}`);
    return {
      authorities: await Promise.all(names.filter((name) => name.endsWith('.crt')).map(read)),
      pairs: await Promise.all(
        clients.map(async (name) => ({ cert: await read(name), key: await read(keyOf(name)) })),
      ),
    };
  }
  return { authorities: [], pairs: [] };
}

function keyOf(certificate: string): string {
  return certificate.replace(/\.cert$/, '.key');
}

async function systemAuthorities(): Promise<readonly (string | Buffer)[]> {
  for (const bundle of SYSTEM_BUNDLES) {
    const bytes = await readFile(bundle).catch(() => undefined);
    if (bytes) return [bytes];
  }
  return rootCertificates;
}

function badCertificates(host: string, why: string): HostError {
  return new HostError('FailedPrecondition', 'REGISTRY_CERTIFICATES', `certificates for ${host}: ${why}`);
}
