import { useEffect, useRef } from 'preact/hooks';

/** How values become colours: as they are from 0 to 1, or differences from blue over white to red, `full` being the strongest. */
export type Ramp = { readonly kind: 'gray' } | { readonly kind: 'difference'; readonly full: number };

/** A picture of one channel (grey) or three (colour), each pixel a square. */
export function Picture(props: {
  /** What it shows, for those who do not see it; '' where words beside it say so. */
  readonly alt: string;
  /** Values [channels, height, width], row-major. */
  readonly pixels: Float32Array;
  readonly height: number;
  readonly width: number;
  readonly ramp?: Ramp;
  readonly class?: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { alt, pixels, height, width, ramp = GRAY } = props;
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    context?.putImageData(new ImageData(rgba(pixels, height * width, ramp), width, height), 0, 0);
  }, [pixels, height, width, ramp]);
  const said = alt === '' ? ({ 'aria-hidden': true } as const) : ({ role: 'img', 'aria-label': alt } as const);
  return <canvas ref={canvas} class={`pixels ${props.class ?? ''}`} {...said} {...{ height, width }} />;
}

const GRAY: Ramp = { kind: 'gray' };

/** The colours of pixels, four bytes to each. */
function rgba(pixels: Float32Array, count: number, ramp: Ramp): Uint8ClampedArray<ArrayBuffer> {
  const colours = new Uint8ClampedArray(4 * count).fill(255);
  const channels = pixels.length / count;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const value = pixels[(channels === 3 ? c * count : 0) + i] ?? 0;
      colours[4 * i + c] = ramp.kind === 'gray' ? 255 * value : 255 * fromWhite(value / ramp.full, c);
    }
  }
  return colours;
}

const RED = [0.698, 0.094, 0.169] as const;
const BLUE = [0.129, 0.4, 0.675] as const;

/** Channel `c` of white at 0, of red at 1 and above, of blue at -1 and below. */
function fromWhite(share: number, c: number): number {
  const amount = Math.min(1, Math.abs(share));
  const end = (share > 0 ? RED : BLUE)[c] ?? 1;
  return 1 + amount * (end - 1);
}
