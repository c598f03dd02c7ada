/** The keys that let a client go: their names, and how input that has them, or a part of them, goes through. */
import t from 'tap';
import { DetachKeys, detachSequence } from '../../../../core/controllers/container/detach-keys.ts';

t.test('names of keys', async (t) => {
  const rows: readonly (readonly [string, readonly number[]])[] = [
    ['', [16, 17]],
    ['ctrl-p,ctrl-q', [16, 17]],
    ['a', [97]],
    ['ctrl-@,ctrl-_,ctrl-[,ctrl-\\,ctrl-],ctrl-^', [0, 31, 27, 28, 29, 30]],
    ['x,DEL', [120, 127]],
  ];
  for (const [keys, codes] of rows) t.same([...detachSequence(keys)], codes, keys);
  for (const keys of ['ctrl-A', 'ctrl-1', 'ab', 'ctrl-', 'a,,b', 'é', 'ctrl-p ctrl-q']) {
    t.throws(() => detachSequence(keys), { code: 'INVALID_DETACH_KEYS', message: keys }, keys);
  }
});

t.test('input', async (t) => {
  // Packets in; what goes through; P and Q are the default keys.
  const rows: readonly (readonly [string, readonly string[], string, boolean])[] = [
    ['one packet', ['PQ'], '', true],
    ['a packet each', ['P', 'Q'], '', true],
    ['in the midst of text', ['abP', 'Qcd'], 'ab', true],
    ['with text before, in one', ['abPQcd'], 'ab', true],
    ['broken off', ['P', 'x'], 'Px', false],
    ['broken off in one packet', ['aPxQ'], 'aPxQ', false],
    ['a key that breaks it off begins none anew', ['P', 'P', 'Q'], 'PPQ', false],
    ['the next is found', ['PxP', 'Q'], 'Px', true],
    ['nothing of it', ['abc', 'Q'], 'abcQ', false],
    ['held back at the end', ['aP'], 'aP', false],
    ['twice broken off over packets', ['P', 'aP', 'bP', 'c'], 'PaPbPc', false],
  ];
  const bytes = (text: string) => Buffer.from(text.replaceAll('P', '\x10').replaceAll('Q', '\x11'));
  for (const [name, packets, through, detached] of rows) {
    const keys = new DetachKeys(detachSequence(''));
    const passed: Buffer[] = [];
    let left = false;
    for (const packet of packets) {
      if (left) break;
      const taken = keys.take(bytes(packet));
      passed.push(taken.through);
      left = taken.detached;
    }
    if (!left) passed.push(keys.rest());
    t.same(
      [Buffer.concat(passed).toString('latin1'), left],
      [bytes(through).toString('latin1'), detached],
      name,
    );
  }
});
