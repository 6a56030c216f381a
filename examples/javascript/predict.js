// Greedy decoding of an exported model: node predict.js FOLDER < words > predictions
import { readFileSync } from "node:fs";
import ort from "onnxruntime-node";

const folder = process.argv[2];
const model = JSON.parse(readFileSync(`${folder}/model.json`, "utf8"));
const { target, members: [member] } = model;
const [encoder, step] = await Promise.all(["encoder-0", "step-0"].map(
  (name) => ort.InferenceSession.create(`${folder}/${name}.onnx`)));
const ids = new Map(member.source.vocabulary.map((token, k) => [token, k + 2]));
const int64 = (values) => BigInt64Array.from(values, BigInt);

const inForm = (text, form) => (form ? text.normalize(form) : text);
const other = { NFC: "NFD", NFD: "NFC" }; // of the two canonical forms
const writtenForm = target.restores_form ? other[target.normalize] : target.normalize;

async function predict(text) {
  const read = inForm(text, member.source.normalize);
  const source = Array.from(read, (token) => ids.get(token) ?? 1); // 1 is unknown
  if (source.length === 0 && !member.knows_empty) return "";
  const n = source.length + 1; // with the end, which is 0
  const fed = await encoder.run({
    source: new ort.Tensor("int64", int64([...source, 0]), [1, n]),
    n_positions: new ort.Tensor("int64", int64([n]), [1]),
  });
  const [longestSource, longestTarget] = member.longest;
  const longer = Math.max(1, source.length / longestSource);
  const limit = Math.ceil(1.25 * longestTarget * longer);
  const tokens = [];
  for (let previous = 0; tokens.length < limit; ) {
    fed.previous = new ort.Tensor("int64", int64([previous]), [1]);
    const found = await step.run(fed);
    const scores = found.log_probs.data;
    scores[1] = -Infinity; // the unknown token is not to be predicted
    previous = scores.reduce((best, x, k) => (x > scores[best] ? k : best), 0);
    if (previous === 0) break;
    tokens.push(target.vocabulary[previous - 2]);
    for (const name in found) {
      if (name.startsWith("next_")) fed[name.slice(5)] = found[name];
    }
  }
  const joiner = target.joiner ?? (target.analyzer === "char" ? "" : " ");
  return inForm(tokens.join(joiner), writtenForm);
}

for (const line of readFileSync(0, "utf8").split("\n").slice(0, -1)) {
  console.log(await predict(line));
}
