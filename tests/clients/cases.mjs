// The cases of one program, as checks.py has them: each is run, none stops the others, the last line counts them, and what
// they fill of the README's table of clients is appended to the file CELLS.

import { appendFileSync } from "node:fs";

// Cases wait for the demo's slow answers more than they work.
const AT_ONCE = 8;

const cases = [];

export const test = (name, run, cells = []) => cases.push({ name, run, cells });

/** Runs the case with each model. `cells` are those of the table that it fills for the model. */
export function forEvery(models, name, run, ...cells) {
  for (const model of models) test(`${name}: ${model}`, () => run(model), cells.map((cell) => [cell, model].join("\t")));
}

/** Runs the cases, prints a line for each and the count, and ends the program, with 1 if one failed. `program` is the client
 * and its version. A cell is filled for a model when all cases that fill it passed. */
export async function runAll(program) {
  let [passed, failed] = [0, 0];
  const filled = new Map();
  const waiting = cases.values();
  const worker = async () => {
    for (const { name, run, cells } of waiting) {
      const problem = await Promise.resolve().then(run).then(() => null, (error) => error);
      for (const cell of cells) filled.set(cell, (filled.get(cell) ?? true) && !problem);
      console.log(`${program}: ${problem ? "FAILED" : "ok"}: ${name}`);
      if (problem) console.log(problem);
      if (problem) failed += 1;
      else passed += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const lines = [...filled].filter(([, all]) => all).map(([cell]) => `${program}\t${cell}\n`);
  if (process.env.CELLS) appendFileSync(process.env.CELLS, lines.join(""));
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
