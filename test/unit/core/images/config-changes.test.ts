import t from 'tap';
import { applyChanges } from '../../../../core/images/config-changes.ts';
import { fails } from '../../../fixtures/fails.ts';

t.test('Dockerfile lines', async (t) => {
  const table: [line: string | string[], expected: object][] = [
    ['CMD ["a", "b c"]', { Cmd: ['a', 'b c'] }],
    ['cmd echo "$HOME"', { Cmd: ['/bin/sh', '-c', 'echo "$HOME"'] }],
    ['CMD [ -f x ] && y', { Cmd: ['/bin/sh', '-c', '[ -f x ] && y'] }],
    ['ENTRYPOINT ["a"]', { Entrypoint: ['a'], Cmd: null }],
    [['CMD ["b"]', 'ENTRYPOINT ["a"]'], { Entrypoint: ['a'], Cmd: ['b'] }],
    ['ENV A=1 B="2 3" C=x\\ y D=\'q"q\'', { Env: ['A=1', 'B=2 3', 'C=x y', 'D=q"q'] }],
    ['ENV A one two', { Env: ['A=one two'] }],
    [['ENV A=1 B=2', 'ENV A=3'], { Env: ['A=3', 'B=2'] }],
    [
      'EXPOSE 80 53/UDP 8000-8002',
      { ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} } },
    ],
    ['LABEL a=b "c d"=e', { Labels: { a: 'b', 'c d': 'e' } }],
    ['USER 1000:1000', { User: '1000:1000' }],
    ['VOLUME ["/a b"]', { Volumes: { '/a b': {} } }],
    ['VOLUME /a /b', { Volumes: { '/a': {}, '/b': {} } }],
    [['WORKDIR /a', 'WORKDIR b/../c'], { WorkingDir: '/a/c' }],
    ['STOPSIGNAL SIGINT', { StopSignal: 'SIGINT' }],
    ['ONBUILD RUN x', { OnBuild: ['RUN x'] }],
    [['', '# comment'], {}],
  ];
  for (const [line, expected] of table) t.same(applyChanges({}, [line].flat()), expected, String(line));
});

t.test('lines that are refused, quoted in the error', async (t) => {
  for (const line of [
    'RUN x',
    'CMD',
    'ENV A',
    'ENV =x',
    'ENV A="x',
    'EXPOSE x',
    'EXPOSE 70000',
    'EXPOSE 9-8',
    'USER a b',
  ]) {
    t.throws(
      () => applyChanges({}, [line]),
      fails('InvalidArgument', { message: new RegExp(`apply change "${line}"`) }),
      line,
    );
  }
});
