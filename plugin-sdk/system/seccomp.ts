/** An OCI `linux.seccomp` section as the BPF program that the kernel loads, compiled by libseccomp. */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { foreign, systemError } from './libc.ts';
import { createMemfd } from './memfd.ts';

/** Source: OCI runtime specification, config-linux.md, Seccomp. */
export interface SeccompSection {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  readonly syscalls?: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArgument[];
}

export interface SeccompArgument {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

const LIBRARY = 'libseccomp.so.2';
type Context = unknown;
const init = foreign<[number], Context>('void *seccomp_init(uint32_t action)', LIBRARY);
const release = foreign<[Context], void>('void seccomp_release(void *context)', LIBRARY);
const archByName = foreign<[string], number>('uint32_t seccomp_arch_resolve_name(const char *name)', LIBRARY);
const archAdd = foreign<[Context, number], number>(
  'int seccomp_arch_add(void *context, uint32_t arch)',
  LIBRARY,
);
const syscallByName = foreign<[string], number>(
  'int seccomp_syscall_resolve_name(const char *name)',
  LIBRARY,
);
const ruleAdd = foreign<[Context, number, number, number, Buffer], number>(
  'int seccomp_rule_add_array(void *context, uint32_t action, int syscall, unsigned int count, const void *args)',
  LIBRARY,
);
const exportBpf = foreign<[Context, number], number>(
  'int seccomp_export_bpf(void *context, int fd)',
  LIBRARY,
);

const EPERM = 1;
const EEXIST = 17;
const NO_SUCH_SYSCALL = -1;
/** sizeof(struct scmp_arg_cmp). */
const ARGUMENT_BYTES = 24;

const actions: Readonly<Record<string, number>> = {
  SCMP_ACT_KILL: 0,
  SCMP_ACT_KILL_THREAD: 0,
  SCMP_ACT_KILL_PROCESS: 0x80000000,
  SCMP_ACT_TRAP: 0x00030000,
  SCMP_ACT_ERRNO: 0x00050000,
  SCMP_ACT_TRACE: 0x7ff00000,
  SCMP_ACT_LOG: 0x7ffc0000,
  SCMP_ACT_ALLOW: 0x7fff0000,
};

const operators = ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`);

/** Whether `section` can stand alone as a program: `SCMP_ACT_NOTIFY` needs a listener, flags a runtime that sets them. */
export function canCompile(section: SeccompSection): boolean {
  const used = [section.defaultAction, ...(section.syscalls ?? []).map((rule) => rule.action)];
  return (section.flags ?? []).length === 0 && used.every((action) => action in actions);
}

/**
 * Compiles for this machine's architecture and those that the section adds: an array of `struct sock_filter`, some 12 ms
 * for Docker's default profile. As runc and crun do, it skips system calls that libseccomp does not know.
 */
export function compileSeccomp(section: SeccompSection): Buffer {
  const fallback = actionOf(section.defaultAction, section.defaultErrnoRet);
  const context = init(fallback);
  const program = createMemfd('seccomp');
  try {
    addArchitectures(context, section.architectures ?? []);
    for (const rule of section.syscalls ?? []) addRule(context, rule, fallback);
    check(exportBpf(context, program), 'seccomp_export_bpf');
    const bytes = Buffer.alloc(fstatSync(program).size);
    readSync(program, bytes, 0, bytes.length, 0);
    return bytes;
  } finally {
    closeSync(program);
    release(context);
  }
}

function addArchitectures(context: Context, names: readonly string[]): void {
  for (const name of names) {
    const token = archByName(name.replace('SCMP_ARCH_', '').toLowerCase());
    if (token === 0) throw new RangeError(`compile seccomp profile: unknown architecture "${name}"`);
    check(archAdd(context, token), 'seccomp_arch_add', EEXIST);
  }
}

function addRule(context: Context, rule: SeccompRule, fallback: number): void {
  const action = actionOf(rule.action, rule.errnoRet);
  if (action === fallback) return; // libseccomp refuses a rule that changes nothing
  const conditions = alternatives(rule.args ?? []);
  for (const name of rule.names) {
    const number = syscallByName(name);
    if (number === NO_SUCH_SYSCALL) continue;
    for (const condition of conditions) {
      const count = condition.length / ARGUMENT_BYTES;
      check(ruleAdd(context, action, number, count, condition), `seccomp_rule_add ${name}`, EEXIST);
    }
  }
}

/** Comparisons of different arguments hold together; two of the same one cannot, and each then counts by itself. */
function alternatives(args: readonly SeccompArgument[]): readonly Buffer[] {
  const encoded = args.map(encodeArgument);
  const distinct = new Set(args.map((arg) => arg.index)).size === args.length;
  return distinct ? [Buffer.concat(encoded)] : encoded;
}

function encodeArgument(arg: SeccompArgument): Buffer {
  const operator = operators.indexOf(arg.op) + 1;
  if (operator === 0) throw new RangeError(`compile seccomp profile: unknown operator "${arg.op}"`);
  const bytes = Buffer.alloc(ARGUMENT_BYTES);
  bytes.writeUInt32LE(arg.index, 0);
  bytes.writeUInt32LE(operator, 4);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg.value)), 8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(arg.valueTwo ?? 0)), 16);
  return bytes;
}

function actionOf(name: string, errno: number | undefined): number {
  const action = actions[name];
  if (action === undefined) throw new RangeError(`compile seccomp profile: unknown action "${name}"`);
  const takesValue = name === 'SCMP_ACT_ERRNO' || name === 'SCMP_ACT_TRACE';
  return takesValue ? action | (errno ?? EPERM) : action;
}

function check(result: number, call: string, ...accepted: readonly number[]): void {
  if (result < 0 && !accepted.includes(-result)) throw systemError(-result, call);
}
