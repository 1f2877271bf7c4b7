import { describe, expect, it } from 'vitest';
import { detectBrowser, type Agent, type Browser } from '../../app/no-webgpu/browser.js';
import { stepsFor } from '../../app/no-webgpu/steps.js';
import { supportOf } from '../../app/no-webgpu/support.js';

/** A Chromium with client hints. */
function hinted(brand: string, version: string, platform: string, architecture = 'x86'): Agent {
  return {
    userAgent: `Mozilla/5.0 (X) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${version}.0.0.0 Safari/537.36`,
    userAgentData: {
      brands: [
        { brand: 'Not A(Brand', version: '8' },
        { brand: 'Chromium', version },
        { brand, version },
      ],
      platform,
      getHighEntropyValues: () => Promise.resolve({ architecture }),
    },
  };
}

const only = (userAgent: string, maxTouchPoints = 0): Agent => ({
  userAgent: `Mozilla/5.0 ${userAgent}`,
  maxTouchPoints,
});

const MAC_SAFARI =
  '(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15';

const AGENTS: Readonly<Record<string, readonly [Agent, Partial<Browser>]>> = {
  'Chrome on Linux': [
    hinted('Google Chrome', '143', 'Linux'),
    { name: 'Chrome', engine: 'chromium', version: 143, platform: 'linux', arm: false },
  ],
  'Edge on Windows on ARM': [
    hinted('Microsoft Edge', '140', 'Windows', 'arm'),
    { name: 'Edge', engine: 'chromium', version: 140, platform: 'windows', arm: true },
  ],
  'Opera on macOS': [hinted('Opera', '130', 'macOS'), { name: 'Opera', engine: 'chromium', platform: 'macos' }],
  'Chrome on Android': [
    hinted('Google Chrome', '120', 'Android', ''),
    { platform: 'android', version: 120, arm: undefined },
  ],
  'Chrome on ChromeOS': [hinted('Google Chrome', '140', 'Chrome OS'), { platform: 'chromeos' }],
  'Edge without hints': [
    only('(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/112.0.0.0 Safari/537.36 Edg/112.0.0.0'),
    { name: 'Edge', engine: 'chromium', version: 112, platform: 'windows' },
  ],
  'Firefox on Linux': [
    only('(X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0'),
    { name: 'Firefox', engine: 'firefox', version: 146, platform: 'linux' },
  ],
  'Firefox on Windows': [
    only('(Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'),
    { name: 'Firefox', version: 140, platform: 'windows' },
  ],
  'Safari on a Mac': [only(MAC_SAFARI), { name: 'Safari', engine: 'webkit', version: 18, platform: 'macos' }],
  'Safari on an iPad that says it is a Mac': [only(MAC_SAFARI, 5), { name: 'Safari', platform: 'ios', version: 18 }],
  'Chrome on an iPhone': [
    only('(iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 CriOS/140.0 Mobile/15E148 Safari/604.1'),
    { name: 'Chrome', engine: 'webkit', version: undefined, platform: 'ios' },
  ],
  'something else': [only('(PlayStation 9)'), { engine: 'other', version: undefined, platform: 'other' }],
};

const ADDRESS = new URL('http://gpu.example:8080/play/#attack');

/** All steps as one text. */
async function steps(name: keyof typeof AGENTS, kind: 'insecure' | 'unsupported' | 'adapter'): Promise<string> {
  const agent = AGENTS[name]?.[0] ?? only('');
  return stepsFor(await detectBrowser(agent), { kind, reason: '' }, ADDRESS).join('\n');
}

describe('detectBrowser', () => {
  it.each(Object.entries(AGENTS))('knows %s', async (_, [agent, browser]) => {
    expect(await detectBrowser(agent)).toMatchObject(browser);
  });

  it('does without hints that are refused', async () => {
    const agent = hinted('Google Chrome', '143', 'Linux');
    const { userAgentData } = agent;
    if (!userAgentData) throw new Error('no hints');
    const refused = { ...userAgentData, getHighEntropyValues: () => Promise.reject(new Error('not allowed')) };
    expect(await detectBrowser({ ...agent, userAgentData: refused })).toMatchObject({ name: 'Chrome', arm: undefined });
  });
});

describe('stepsFor', () => {
  it('says which version has it, where this one is too old', async () => {
    expect(await steps('Edge without hints', 'unsupported')).toContain(
      'Edge 112 is too old, WebGPU is there from 113 on',
    );
    expect(await steps('Firefox on Windows', 'unsupported')).toContain(
      'Firefox 140 is too old, WebGPU is there from 141 on',
    );
    expect(await steps('Chrome on Android', 'unsupported')).toContain('from 121 on');
    expect(await steps('Opera on macOS', 'unsupported')).not.toContain('too old');
  });

  it('knows the ways of each system', async () => {
    expect(await steps('Chrome on Linux', 'unsupported')).toContain('`google-chrome --enable-unsafe-webgpu');
    expect(await steps('Chrome on Linux', 'adapter')).toMatch(/mesa-vulkan-drivers.*use-webgpu-adapter=swiftshader/s);
    expect(await steps('Edge on Windows on ARM', 'adapter')).toContain('chrome://flags/#enable-unsafe-webgpu');
    expect(await steps('Firefox on Linux', 'unsupported')).toMatch(/Nightly.*dom\.webgpu\.enabled/s);
    expect(await steps('Firefox on Linux', 'adapter')).toMatch(/vulkaninfo.*about:support/s);
    expect(await steps('Safari on a Mac', 'unsupported')).toContain('macOS 26');
    expect(await steps('Chrome on an iPhone', 'unsupported')).toContain('iOS 26');
    expect(await steps('Chrome on an iPhone', 'adapter')).not.toContain('chrome://');
    expect(await steps('something else', 'unsupported')).toContain('current Chrome, Edge, Firefox or Safari');
  });

  it('leads to an address that is secure', async () => {
    expect(await steps('Chrome on Linux', 'insecure')).toMatch(/https:\/\/gpu\.example:8080\/play\/.*localhost/s);
  });
});

describe('supportOf', () => {
  it('has a line for each browser on each system that it is made for', async () => {
    for (const [name, [agent]] of Object.entries(AGENTS)) {
      const line = supportOf(await detectBrowser(agent));
      expect(line === undefined, name).toBe(name === 'something else');
    }
  });
});
