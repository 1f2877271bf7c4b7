import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright';
import { expect, it } from 'vitest';
import { Device } from '../../engine/index.js';
import { requestGpuAdapter } from '../../node/adapter.js';
import { findBrowser } from '../../scripts/browser.mjs';
import { fiftySteps } from './fifty-steps.js';

/** What the page computes. */
async function inChromium(): Promise<Awaited<ReturnType<typeof fiftySteps>>> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('fifty-steps-page.ts', import.meta.url))],
    ...{ bundle: true, write: false, format: 'esm', loader: { '.wgsl': 'text' } },
  });
  const browser = await chromium.launch(findBrowser());
  try {
    const page = await browser.newPage();
    const script = outputFiles[0]?.text ?? '';
    await page.route('**/*', (route, request) =>
      request.url().endsWith('.js')
        ? route.fulfill({ contentType: 'text/javascript', body: script })
        : route.fulfill({ contentType: 'text/html', body: '<p>here</p>' }),
    );
    // A secure context, which WebGPU asks for.
    await page.goto('http://localhost/');
    // As text: what a page is to import must not go through the bundler of the tests.
    return await page.evaluate<Awaited<ReturnType<typeof fiftySteps>>>("import('/run.js').then(({ run }) => run())");
  } finally {
    await browser.close();
  }
}

async function inNode(): Promise<Awaited<ReturnType<typeof fiftySteps>>> {
  const { adapter } = await requestGpuAdapter({ adapter: 'swiftshader' });
  const device = await Device.create(adapter);
  try {
    return await fiftySteps(device);
  } finally {
    device.destroy();
  }
}

it('50 steps in Chromium give the bits that they give in Node.js, on the same driver', async () => {
  const [page, node] = [await inChromium(), await inNode()];
  expect(node.losses).toHaveLength(50);
  expect(page.losses).toEqual(node.losses);
  expect(page.values).toEqual(node.values);
  expect(Object.values(node.values).flat().every(Number.isFinite)).toBe(true);
});
