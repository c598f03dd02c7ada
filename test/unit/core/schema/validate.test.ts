/** Bodies as clients send them. */
import t from 'tap';
import Type from 'typebox';
import { validatorOf } from '../../../../core/schema/validate.ts';

const Body = Type.Object({
  Image: Type.String(),
  Size: Type.Optional(Type.Integer()),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  Health: Type.Optional(Type.Union([Type.Object({ Retries: Type.Optional(Type.Integer()) }), Type.Null()])),
  Mounts: Type.Optional(
    Type.Array(Type.Object({ Target: Type.String(), Mode: Type.Optional(Type.String()) })),
  ),
});
const validate = validatorOf('make', Body);

t.test('a null says nothing', async (t) => {
  t.same(validate({ Image: 'a', Size: null, Health: { Retries: null } }), { Image: 'a', Health: {} });
  t.same(validate({ Image: 'a', Mounts: [{ Target: '/', Mode: null }], Size: 1 }), {
    Image: 'a',
    Mounts: [{ Target: '/' }],
    Size: 1,
  });
  const right = { Image: 'a', Health: null, other: null };
  t.equal(validate(right), right, 'what is right as it is stays the same object');
});

t.test('what is needed cannot be null, nor can what a map holds', async (t) => {
  t.throws(() => validate({ Image: null }), { code: 'INVALID_BODY', message: /Image/ });
  t.throws(() => validate({ Image: 'a', Labels: { one: null } }), { message: /Labels\.one must be string/ });
  t.throws(() => validate(null), { message: /body must be object/ });
});
