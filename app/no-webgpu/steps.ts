import type { Lack } from '../webgpu.js';
import type { Browser } from './browser.js';
import { supportOf } from './support.js';

/** Chromium's own software adapter, which needs no driver. */
const WITHOUT_GPU =
  'Without any GPU: end the browser, and start it with `--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader`. That computes on the processor: slowly, but everything works.';

/**
 * What to do in this browser to get WebGPU, a sentence to each step, what helps most first. Between backquotes is what is to be typed.
 * `address` is the page's, for those who have it over plain HTTP.
 */
export function stepsFor(browser: Browser, { kind }: Lack, address: URL): string[] {
  if (kind === 'insecure') {
    return [
      `Open it over HTTPS: \`https://${address.host}${address.pathname}\`, if its server has that.`,
      'Or serve it from this machine, where plain HTTP is enough: `npx bulwark playground`, then open the address that it prints.',
      'Or forward the port of the other machine: `ssh -L 8080:127.0.0.1:PORT HOST`, then open `http://localhost:8080/`.',
    ];
  }
  return kind === 'unsupported' ? stepsToSwitchOn(browser) : stepsToAdapter(browser);
}

function stepsToSwitchOn(browser: Browser): string[] {
  const { engine, version, platform, arm } = browser;
  const since = supportOf(browser)?.since;
  const old = since !== undefined && version !== undefined && version < since;
  const update = old ? [`Update it: ${browser.name} ${version} is too old, WebGPU is there from ${since} on.`] : [];
  switch (engine) {
    case 'chromium':
      return [
        ...update,
        ...(platform === 'linux' ? linuxFlags(browser) : []),
        ...(platform === 'windows' && arm === true ? [flagPage()] : []),
        'See that graphics acceleration is on in `chrome://settings/system`, and that no policy or flag switches WebGPU off: `chrome://gpu` says what is on.',
        ...(['windows', 'macos', 'linux'].includes(platform) ? [WITHOUT_GPU] : []),
      ];
    case 'firefox':
      return [
        ...update,
        ...(since === undefined ? ['Take Firefox Nightly, where WebGPU is on.'] : []),
        'Or open `about:config`, set `dom.webgpu.enabled` to true, and load this page again.',
        ...(platform === 'linux' ? ['Or use Chrome, which has WebGPU on Linux.'] : []),
      ];
    case 'webkit':
      return platform === 'ios'
        ? [
            'Update to iOS 26 or iPadOS 26: Settings, General, Software Update.',
            'On iOS 18: Settings, Apps, Safari, Advanced, Feature Flags, WebGPU; then load this page again.',
          ]
        : [
            'Update to macOS 26, whose Safari has WebGPU.',
            'On Safari 18: Settings, Advanced, "Show features for web developers"; then Feature Flags, WebGPU.',
            'Or use Chrome or Edge, which have WebGPU on every macOS that they still support.',
          ];
    case 'other':
      return ['Use a current Chrome, Edge, Firefox or Safari; the table below says where each has WebGPU.'];
  }
}

function stepsToAdapter(browser: Browser): string[] {
  const { engine, platform, arm } = browser;
  const steps = [
    ...(platform === 'linux' ? linuxDrivers() : []),
    ...(platform === 'windows' ? ['Update the driver of the graphics card, from its maker or by Windows Update.'] : []),
  ];
  if (engine === 'firefox') {
    return [...steps, 'Look at `about:support`, under Graphics, for why WebGPU is blocked.', restart(browser)];
  }
  if (engine !== 'chromium') return [...steps, restart(browser)];
  return [
    ...(platform === 'linux' ? linuxFlags(browser) : []),
    ...(platform === 'windows' && arm === true ? [flagPage()] : []),
    ...steps,
    'See that graphics acceleration is on in `chrome://settings/system`; `chrome://gpu` says why a GPU is not used.',
    restart(browser),
    ...(['windows', 'macos', 'linux'].includes(platform) ? [WITHOUT_GPU] : []),
  ];
}

function restart({ name }: Browser): string {
  return `Start ${name === 'This browser' ? 'the browser' : name} anew: after a few crashes of the driver it gives the GPU up until then.`;
}

function flagPage(): string {
  return 'Open `chrome://flags/#enable-unsafe-webgpu`, choose Enabled, and start the browser anew.';
}

function linuxFlags({ name }: Browser): string[] {
  const command = name === 'Edge' ? 'microsoft-edge' : name === 'Chromium' ? 'chromium' : 'google-chrome';
  return [
    `On GPUs for which it is not on by default, end the browser and start it with \`${command} --enable-unsafe-webgpu --ozone-platform=x11 --use-angle=vulkan --enable-features=Vulkan,VulkanFromANGLE\`.`,
  ];
}

function linuxDrivers(): string[] {
  return [
    'Install the Vulkan driver. Debian and Ubuntu: `sudo apt install mesa-vulkan-drivers vulkan-tools`; Fedora: `sudo dnf install mesa-vulkan-drivers vulkan-tools`; Arch: `sudo pacman -S vulkan-intel` or `vulkan-radeon`. For NVIDIA, its own driver, 535.183.01 or newer.',
    'Check it: `vulkaninfo --summary` lists the GPU.',
  ];
}
