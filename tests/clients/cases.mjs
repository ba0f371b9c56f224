// The cases of one program, as checks.py has them: each is run, none stops the others, and the last line counts them.

// Cases wait for the demo's slow answers more than they work.
const AT_ONCE = 8;

const cases = [];

/** A case that throws this does not apply; its message says why. */
export class Skipped extends Error {}

export const test = (name, run) => cases.push({ name, run });

export function forEvery(models, name, run) {
  for (const model of models) test(`${name}: ${model}`, () => run(model));
}

/** Runs the cases, prints a line for each and the count, and ends the program, with 1 if one failed. */
export async function runAll(program) {
  let [passed, failed] = [0, 0];
  const waiting = cases.values();
  const worker = async () => {
    for (const { name, run } of waiting) {
      const problem = await Promise.resolve().then(run).then(() => null, (error) => error);
      if (problem instanceof Skipped) {
        console.log(`${program}: skipped: ${name}: ${problem.message}`);
        continue;
      }
      console.log(`${program}: ${problem ? "FAILED" : "ok"}: ${name}`);
      if (problem) console.log(problem);
      if (problem) failed += 1;
      else passed += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed ? 1 : 0);
}
