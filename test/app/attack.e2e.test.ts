import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from '../../nn/index.js';
import { expectAccessible } from './accessible.js';
import { startPlayground, type Playground } from './playground.js';

const PLAIN = new URL('../../app/public/models/plain.safetensors', import.meta.url);

let playground: Playground;
/** One page for all: its first attack takes as long as all others. */
let page: Page;
beforeAll(async () => {
  playground = await startPlayground();
  ({ page } = await playground.open('attack'));
  await page.getByText('Of the digit').waitFor({ timeout: 90_000 });
});
afterAll(() => playground.close());

/** What the page says of the last attack, once it is at rest. */
async function verdict(): Promise<string> {
  // What was just asked for begins in a task of its own.
  await page.waitForTimeout(50);
  await page.locator('section[aria-label="The models"][aria-busy=false]').waitFor();
  return (await page.getByRole('status').filter({ hasText: 'Of ' }).textContent()) ?? '';
}

const slide = async (value: string): Promise<void> => {
  await page.getByRole('slider', { name: 'How far a pixel may change' }).fill(value);
};

describe('the room Attack', () => {
  it('fools the plain model on most of the digits, and not the robust one', async () => {
    let count = 0;
    for (let digit = 0; digit < 10; digit++) {
      await page.getByRole('button', { name: `Digit ${digit}` }).click();
      const said = await verdict();
      expect(said).toContain(`Of the digit ${digit}: `);
      if (/Plain now reads \d instead of/.test(said) && said.includes(`MIMAE-AT still reads ${digit}`)) count++;
    }
    expect(count).toBeGreaterThanOrEqual(7);
    await expectAccessible(page, 'attack');
    expect(playground.complaints()).toEqual([]);
  });

  it('goes by the slider, gives the same again, and keeps the example', async () => {
    await page.getByRole('button', { name: 'Digit 3' }).click();
    const first = await verdict();
    await slide('0');
    expect(await verdict()).toContain('Plain still reads 3; MIMAE-AT still reads 3');
    // The last of many counts.
    for (const value of ['0.1', '0.4', '0.3', '0.5', '0.25']) await slide(value);
    expect(await verdict()).toBe(first);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('article', { name: 'First model' }).getByRole('button', { name: 'Download' }).click(),
    ]);
    const png = await readFile(await download.path());
    expect([...png.subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
    // What was kept fools the model again, without a change.
    await page.getByText('Draw one, or take').click();
    await slide('0');
    await page
      .getByLabel('A picture of a digit')
      .setInputFiles({ name: 'kept.png', mimeType: 'image/png', buffer: png });
    await page.getByText('Of kept.png').waitFor();
    const [, fooled] = /Plain now reads (\d)/.exec(first) ?? [];
    expect(await verdict()).toContain(`Of kept.png: Plain still reads ${fooled}`);
    expect(playground.complaints()).toEqual([]);
  });

  it('refuses what is no picture and no model in a sentence, and stays as it was', async () => {
    await page.getByRole('button', { name: 'Digit 3' }).click();
    await slide('0.25');
    const before = await verdict();
    await page
      .getByLabel('A picture of a digit')
      .setInputFiles({ name: 'letter.png', mimeType: 'image/png', buffer: Buffer.from('Dear Sir or Madam') });
    await page.getByText('letter.png: is no picture that this browser can read').waitFor();

    const first = page.getByRole('article', { name: 'First model' });
    await first.getByText('Another model in this place').click();
    const drop = first.getByLabel('A model of your own');
    const whole = await readFile(PLAIN);
    const { tensors, metadata } = decodeSafetensors(whole, 'plain.safetensors');
    for (const [buffer, sentence] of [
      [Buffer.from('not tensors at all'), /is no safetensors file/],
      [whole.subarray(0, 5000), /mine\.safetensors: .*byte/],
      [
        Buffer.from(encodeSafetensors(tensors, { ...metadata, model: 'resnet18', options: '{}' })),
        /mine\.safetensors: /,
      ],
      [Buffer.from(encodeSafetensors(tensors, { ...metadata, options: '{"width":1}' })), /is not a checkpoint of cnn4/],
      [Buffer.from(encodeSafetensors(tensors)), /does not say which model it is of/],
    ] as const) {
      await drop.setInputFiles({ name: 'mine.safetensors', mimeType: '', buffer });
      await first.getByRole('alert').filter({ hasText: sentence }).waitFor();
      expect((await first.getByRole('alert').innerText()).split('\n')).toHaveLength(1);
    }
    expect(await verdict()).toBe(before);
    expect(await first.getByLabel('First model').inputValue()).toBe('Plain');

    await drop.setInputFiles({ name: 'mine.safetensors', mimeType: '', buffer: whole });
    await page.getByText(/mine\.safetensors now reads/).waitFor();
    expect(await verdict()).toBe(before.replace('Plain', 'mine.safetensors'));
    await expectAccessible(page, 'attack-own');
    expect(playground.complaints()).toEqual([]);
  });

  it('attacks on after its adapter was lost', async () => {
    await page.getByRole('button', { name: 'Digit 3' }).click();
    await slide('0.25');
    const before = await verdict();
    await playground.loseAdapter();
    await slide('0');
    expect(await verdict()).not.toBe(before);
    await slide('0.25');
    expect(await verdict()).toBe(before);
    expect(playground.complaints()).toEqual([]);
  });

  it('takes what is drawn, by pointer and by keys', async () => {
    const pad = page.getByRole('application', { name: 'Drawing pad' });
    await pad.scrollIntoViewIfNeeded();
    const box = await pad.boundingBox();
    if (!box) throw new Error('the pad is not there');
    await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.15);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.85, { steps: 4 });
    await page.mouse.up();
    await page.getByText('Of what you drew').waitFor();
    await slide('0');
    expect(await verdict()).toContain('MIMAE-AT still reads 1');

    await page.getByRole('button', { name: 'Clear the pad' }).click();
    await pad.focus();
    await page.keyboard.press('Space');
    for (let step = 0; step < 16; step++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    expect(await verdict()).toContain('Of what you drew: ');
    expect(playground.complaints()).toEqual([]);
  });
});
