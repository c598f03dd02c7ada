/** `gantry doctor`. */
import type { Run } from './command.ts';
import { CHECKS, type DoctorCheck, type Outcome } from './doctor/checks.ts';
import { type MachineEdges, thisMachine } from './doctor/edges.ts';
import { table } from './table.ts';

export type Diagnosis = Outcome & Omit<DoctorCheck, 'look'>;

export const run: Run = async ({ environment, values, print }) => {
  const diagnoses = await examine(thisMachine(environment.path));
  print(values.format === 'json' ? `${JSON.stringify(diagnoses, undefined, 2)}\n` : describe(diagnoses));
  return diagnoses.some(isFatal) ? 1 : 0;
};

export function examine(edges: MachineEdges): Promise<readonly Diagnosis[]> {
  return Promise.all(CHECKS.map(async ({ look, ...check }) => ({ ...check, ...(await look(edges)) })));
}

function isFatal({ status, required }: Diagnosis): boolean {
  return required && status === 'missing';
}

function describe(diagnoses: readonly Diagnosis[]): string {
  const rows = diagnoses.map(({ id, status, required, detail }) => [
    status === 'missing' && required ? 'MISSING' : status,
    id,
    required ? 'required' : 'optional',
    detail,
  ]);
  const lacking = diagnoses.filter(({ status }) => status === 'missing');
  return [table(['STATUS', 'CHECK', 'NEED', 'FOUND'], rows), ...lacking.map(remedy), verdict(diagnoses)].join(
    '\n',
  );
}

function remedy({ id, costs, debian, elsewhere }: Diagnosis): string {
  const ways = [debian && `apt install ${debian}`, elsewhere].filter(Boolean).join('; or ');
  return `${id} is missing. It costs: ${costs}.\n  Get it: ${ways}\n`;
}

function verdict(diagnoses: readonly Diagnosis[]): string {
  const fatal = diagnoses.filter(isFatal).map(({ id }) => id);
  if (fatal.length > 0) return `No container can run here without ${fatal.join(', ')}.\n`;
  return 'Containers can run here.\n';
}
