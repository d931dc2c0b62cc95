// tus-js-client as it comes from its package sends one file; prints where it is. Arguments: address, key, file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const tus = createRequire(new URL("../../web/package.json", import.meta.url))("tus-js-client");
const [address, key, file] = process.argv.slice(2);
let retries = 0;

const upload = new tus.Upload(readFileSync(file), {
  endpoint: `${address}/v1/uploads`,
  headers: { Authorization: `Bearer ${key}` },
  metadata: { filename: "心电图.xml", context: JSON.stringify({ symptoms: ["chest_pain"] }) },
  retryDelays: Array(400).fill(25),
  onShouldRetry: () => ++retries > 0,
  onError: (error) => {
    console.error(String(error));
    process.exitCode = 1;
  },
  onSuccess: () => console.log(JSON.stringify({ url: upload.url, retries })),
});
upload.start();
