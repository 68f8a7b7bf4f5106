// Bundles src/ into the folder that is named on the command line. A file's name holds the hash of what is in it, so
// browsers may keep it for ever; manifest.json says which name a source has got, and is written last.
import { build } from "esbuild";
import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";

const out = process.argv[2];
await mkdir(out, { recursive: true });

const result = await build({
  entryPoints: ["src/app.js", "src/charts.js", "src/app.css", "src/charts.css", "src/icon.svg"],
  outdir: out,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2020", "chrome105", "firefox115", "safari15.4"],
  loader: { ".woff2": "file", ".svg": "copy" },
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const manifest = {};
const written = new Set(["manifest.json", "sources.sha256"]);
for (const [path, output] of Object.entries(result.metafile.outputs)) {
  written.add(basename(path));
  if (output.entryPoint) manifest[basename(output.entryPoint)] = basename(path);
}
const partial = join(out, `manifest.${process.pid}`);
await writeFile(partial, JSON.stringify(manifest, null, 2));
await rename(partial, join(out, "manifest.json"));
for (const name of await readdir(out)) {
  if (!written.has(name)) await rm(join(out, name), { recursive: true, force: true });
}
