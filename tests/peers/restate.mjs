// A service of Restate with a workflow of so many journaled steps; what a step does costs nothing.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, port] = process.argv.slice(2);
const found = createRequire(pathToFileURL(`${modules}/`)).resolve("@restatedev/restate-sdk");
const restate = await import(pathToFileURL(found).href);
const sdk = restate.service ? restate : restate.default;

const steps = sdk.service({
  name: "steps",
  handlers: {
    run: async (ctx, { steps }) => {
      let sum = 0;
      for (let n = 0; n < steps; n++) {
        sum += await ctx.run("step", () => n * 2);
      }
      return sum;
    },
  },
});

const logger = () => {};
await sdk.endpoint().setLogger?.(logger).bind(steps).listen(Number(port));
