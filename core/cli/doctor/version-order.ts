/** Versions as programs and kernels tell them: `6.1.0-18-amd64`, `conmon version 2.1.6`. */

export function versionIn(text: string): string | undefined {
  return /\d+(\.\d+)+/.exec(text)?.[0];
}

export function atLeast(version: string, oldest: string): boolean {
  const [have, want] = [version, oldest].map((one) => (versionIn(one) ?? one).split('.').map(Number));
  for (const [index, part] of (want ?? []).entries()) {
    const mine = have?.[index] ?? 0;
    if (mine !== part) return mine > part;
  }
  return true;
}
