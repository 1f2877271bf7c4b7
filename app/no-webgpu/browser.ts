/** The engines that browsers are made of; on iPhones and iPads they all are WebKit. */
export type Engine = 'chromium' | 'firefox' | 'webkit' | 'other';

/** Where a browser runs. */
export type Platform = 'windows' | 'macos' | 'linux' | 'android' | 'ios' | 'chromeos' | 'other';

/** The browser that the page is in, as far as it says. */
export interface Browser {
  /** What its users call it. */
  readonly name: string;
  readonly engine: Engine;
  /** Its major version, where it says. */
  readonly version: number | undefined;
  readonly platform: Platform;
  /** Whether the processor is an ARM; undefined where it does not say. */
  readonly arm: boolean | undefined;
}

/** The user-agent client hints, which Chromium has and TypeScript does not know. */
export interface AgentData {
  readonly brands: readonly { readonly brand: string; readonly version: string }[];
  readonly platform: string;
  getHighEntropyValues?(hints: string[]): Promise<{ readonly architecture?: string }>;
}

/** What of `navigator` tells browsers apart. */
export interface Agent {
  readonly userAgent: string;
  readonly maxTouchPoints?: number;
  readonly userAgentData?: AgentData | undefined;
}

/** Names that differ from the brand, or that go before others of the same browser. */
const BRANDS = ['Microsoft Edge', 'Opera', 'Brave', 'Vivaldi', 'Samsung Internet', 'Google Chrome', 'Chromium'];

/** Which browser it is: by its client hints where it has them, or else by its user-agent string. */
export async function detectBrowser(agent: Agent): Promise<Browser> {
  const { userAgent, userAgentData: data } = agent;
  const platform = platformOf(agent);
  if (data && data.brands.length > 0) {
    const architecture = await data.getHighEntropyValues?.(['architecture']).then(
      (hints) => hints.architecture,
      () => undefined,
    );
    const name = BRANDS.find((brand) => data.brands.some((each) => each.brand === brand)) ?? 'Chromium';
    const chromium = data.brands.find(({ brand }) => brand === 'Chromium')?.version;
    const arm = architecture === undefined || architecture === '' ? undefined : architecture.startsWith('arm');
    return {
      ...{ name: name.replace(/^(Google|Microsoft) /, ''), engine: 'chromium', platform, arm },
      version: whole(chromium),
    };
  }
  const versionAfter = (pattern: string): number | undefined =>
    whole(new RegExp(`${pattern}/(\\d+)`).exec(userAgent)?.[1]);
  const arm = /\b(aarch64|arm64|armv\d)/i.test(userAgent) || undefined;
  if (platform === 'ios') {
    const [, other] = /(CriOS|FxiOS|EdgiOS)/.exec(userAgent) ?? [];
    const names: Readonly<Record<string, string>> = { CriOS: 'Chrome', FxiOS: 'Firefox', EdgiOS: 'Edge' };
    const name = names[other ?? ''] ?? 'Safari';
    return {
      name,
      engine: 'webkit',
      version: other === undefined ? versionAfter('Version') : undefined,
      platform,
      arm,
    };
  }
  if (/Firefox\//.test(userAgent)) {
    return { name: 'Firefox', engine: 'firefox', version: versionAfter('Firefox'), platform, arm };
  }
  const chromium = versionAfter('Chrome');
  if (chromium !== undefined) {
    const name = /Edg(A)?\//.test(userAgent) ? 'Edge' : /OPR\//.test(userAgent) ? 'Opera' : 'Chrome';
    return { name, engine: 'chromium', version: chromium, platform, arm };
  }
  if (/Safari\//.test(userAgent)) {
    return { name: 'Safari', engine: 'webkit', version: versionAfter('Version'), platform, arm };
  }
  return { name: 'This browser', engine: 'other', version: undefined, platform, arm };
}

function whole(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isNaN(value) ? undefined : value;
}

function platformOf({ userAgent, maxTouchPoints = 0, userAgentData }: Agent): Platform {
  const said = `${userAgentData?.platform ?? ''} ${userAgent}`;
  if (/iPhone|iPad|iPod/.test(said)) return 'ios';
  if (/Android/.test(said)) return 'android';
  if (/Windows/.test(said)) return 'windows';
  if (/CrOS|Chrome ?OS/.test(said)) return 'chromeos';
  // iPads say that they are Macs; Macs have no touch screens.
  if (/Mac ?OS|Macintosh/i.test(said)) return maxTouchPoints > 1 ? 'ios' : 'macos';
  return /Linux|X11/.test(said) ? 'linux' : 'other';
}
