/** Brings a machine back to where it was made: everything that the API shows is removed, which must work. */
import { IMAGE } from './images.ts';
import type { Machine } from './machine.ts';

export async function tidy({ client, plugin }: Machine): Promise<readonly string[]> {
  await plugin.behave({});
  const faults: string[] = [];
  const away = async (path: string) => {
    const { status, text } = await client.ask('DELETE', path);
    if (status >= 300 && status !== 404) faults.push(`DELETE ${path}: ${status} ${text.trim()}`);
  };
  for (const { Id } of await client.get<{ Id: string }[]>('/containers/json?all=1')) {
    await away(`/containers/${Id}?force=1&v=1`);
  }
  const { Volumes } = await client.get<{ Volumes: { Name: string }[] | null }>('/volumes');
  for (const { Name } of Volumes ?? []) await away(`/volumes/${Name}`);
  for (const { Id, RepoTags } of await client.get<{ Id: string; RepoTags: string[] | null }[]>(
    '/images/json?all=1',
  )) {
    if (!RepoTags?.includes(IMAGE)) await away(`/images/${Id}?force=1`);
  }
  return faults;
}
