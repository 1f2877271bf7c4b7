import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PNG } from 'pngjs';
import type { Locator, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeSafetensors } from '../../nn/safetensors.js';
import { barriers, startPlayground, type Playground } from './playground.js';

let playground: Playground;
let folder: string;
let page: Page;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bulwark-attack-'));
  playground = await startPlayground();
  ({ page } = await playground.open('attack'));
});
afterAll(async () => {
  await playground.close();
  await rm(folder, { recursive: true });
});

/** The part of the room that shows a model. */
const side = (name: string): Locator => page.getByRole('region', { name, exact: true });

/** What a model takes the image for, before and after, once the attack has settled. */
async function verdict(name: string): Promise<{ before: string; after: string; fooled: boolean }> {
  const text = await side(name).locator('.verdict').innerText();
  const [, before = '', after = ''] = /takes it for\s+(\d)[\s\S]*after the attack for\s+(\d)/.exec(text) ?? [];
  return { before, after, fooled: !text.includes('not fooled') };
}

async function settled(): Promise<void> {
  await page.getByRole('status').filter({ hasText: 'ing ...' }).first().waitFor({ state: 'detached' });
  await side('Plain').locator('.verdict').waitFor();
}

/** A dark stroke on bright paper, in a frame. */
function strokeOnPaper(): Uint8Array {
  const [width, height] = [90, 120];
  const image = new PNG({ width, height });
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const isInk = Math.abs(x - 45) < 6 && Math.abs(y - 60) < 45;
    const isFrame = Math.min(x, y, width - 1 - x, height - 1 - y) === 0;
    image.data.set(isInk ? [20, 20, 90, 255] : isFrame ? [0, 0, 0, 255] : [240, 235, 220, 255], 4 * i);
  }
  return PNG.sync.write(image);
}

describe('the attack room', () => {
  it('fools the plain model and not the robust one, on at least 7 of the 10 digits, as it stands', async () => {
    const shown: Record<string, unknown>[] = [];
    for (let digit = 0; digit < 10; digit++) {
      await page.getByRole('button', { name: `The digit ${digit}` }).click();
      await settled();
      shown.push({ digit, plain: await verdict('Plain'), robust: await verdict('MIMAE-AT') });
    }
    const good = shown.filter(({ digit, plain, robust }) => {
      const [first, second] = [plain, robust] as Awaited<ReturnType<typeof verdict>>[];
      return first?.before === String(digit) && first.fooled && second?.after === String(digit) && !second.fooled;
    });
    expect(good.length, JSON.stringify(shown)).toBeGreaterThanOrEqual(7);
  });

  it('follows the slider: at eps 0 nobody is fooled, and the picture is what it was', async () => {
    const slider = page.getByRole('slider', { name: /^How far/ });
    await page.getByRole('button', { name: 'The digit 7' }).click();
    await settled();
    expect((await verdict('Plain')).fooled).toBe(true);
    await slider.focus();
    await page.keyboard.press('Home');
    await settled();
    expect(await verdict('Plain')).toEqual({ before: '7', after: '7', fooled: false });
    await slider.fill('0.25');
    await settled();
    expect((await verdict('Plain')).fooled).toBe(true);
  });

  it('has other attacks, too', async () => {
    for (const name of ['bim', 'fgsm', 'rfgsm', 'ffgsm', 'cw', 'deepfool', 'pgd']) {
      await page.getByRole('combobox', { name: 'Attack' }).selectOption(name);
      await settled();
      expect((await verdict('Plain')).before, name).toBe('7');
    }
  });

  it('takes a drawing, and a picture', async () => {
    await page.getByText('Draw one, or bring a picture').click();
    const box = await page.getByRole('img', { name: /^A pad/ }).boundingBox();
    if (!box) throw new Error('the pad is not there');
    // A 1.
    await page.mouse.move(box.x + 100, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 100, box.y + 170, { steps: 5 });
    await page.mouse.up();
    await settled();
    expect((await verdict('MIMAE-AT')).before).toBe('1');
    const picture = join(folder, 'one.png');
    await writeFile(picture, strokeOnPaper());
    await page.getByLabel('A picture of a digit: PNG or JPEG').setInputFiles(picture);
    await side('MIMAE-AT').getByRole('img', { name: 'the image: one.png' }).waitFor();
    expect((await verdict('MIMAE-AT')).before).toBe('1');
  });

  it('says of a file that is no use what is wrong with it, and keeps what was there', async () => {
    const text = join(folder, 'text.png');
    await writeFile(text, 'no picture');
    await page.getByLabel('A picture of a digit: PNG or JPEG').setInputFiles(text);
    await page.getByText('text.png: is no picture that this browser can read.').waitFor();
    await side('Plain').getByText('The model').click();
    const model = side('Plain').getByLabel(/^Another model/);
    const bias = { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) } as const;
    for (const [name, bytes, said] of [
      ['broken.safetensors', Uint8Array.of(1, 2, 3), /^broken\.safetensors: /],
      ['nameless.safetensors', encodeSafetensors({ bias }), /does not say which model it is of/],
      ['colours.safetensors', encodeSafetensors({ bias }, { model: 'resnet18' }), /its inChannels is 3/],
      ['other.safetensors', encodeSafetensors({ bias }, { model: 'cnn4' }), /is not a checkpoint of cnn4/],
    ] as const) {
      const path = join(folder, name);
      await writeFile(path, bytes);
      await model.setInputFiles(path);
      await side('Plain').getByRole('alert').filter({ hasText: said }).waitFor();
    }
    expect((await verdict('Plain')).before).not.toBe('');
    await side('Plain').getByText('Trained by').waitFor();
  });

  it('takes a model of the same kind, and gives the shipped one back', async () => {
    const mine = new URL('../../app/public/models/mimae-at.safetensors', import.meta.url).pathname;
    await side('Plain')
      .getByLabel(/^Another model/)
      .setInputFiles(mine);
    const own = side('mimae-at.safetensors');
    await own.waitFor();
    await own.getByRole('button', { name: 'Put the shipped one back' }).click();
    await side('Plain').waitFor();
  });

  it('keeps nobody out, in light, dark and on a phone', async () => {
    for (const [colorScheme, width] of [
      ['light', 1200],
      ['dark', 1200],
      ['light', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      expect(await barriers(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const shots = process.env['BULWARK_SHOTS'];
      if (shots) await page.screenshot({ path: join(shots, `attack-${colorScheme}-${width}.png`), fullPage: true });
    }
    expect(playground.complaints()).toEqual([]);
  });
});
