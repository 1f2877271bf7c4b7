import { useRef } from 'preact/hooks';
import { centerDrawing } from './center-drawing.js';

/** Height and width of the pad, in its own pixels. */
const SIZE = 140;

/** A pad to draw a digit on with a mouse, a finger or a pen; each stroke that ends gives the drawing as MNIST's images are. */
export function DrawPad({ onDrawn }: { readonly onDrawn: (pixels: Float32Array) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const last = useRef<readonly [number, number]>(null);
  const place = (event: PointerEvent): readonly [number, number] => {
    const box = (event.currentTarget as HTMLCanvasElement).getBoundingClientRect();
    return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
  };
  const stroke = (event: PointerEvent): void => {
    const context = canvas.current?.getContext('2d');
    if (!context || !last.current) return;
    const to = place(event);
    Object.assign(context, { lineWidth: 11, lineCap: 'round', strokeStyle: 'white' });
    context.beginPath();
    context.moveTo(...last.current);
    context.lineTo(...to);
    context.stroke();
    last.current = to;
  };
  const end = (): void => {
    const context = canvas.current?.getContext('2d');
    if (!context || !last.current) return;
    last.current = null;
    const { data } = context.getImageData(0, 0, SIZE, SIZE);
    const image = centerDrawing(
      Float32Array.from({ length: SIZE * SIZE }, (_, index) => (data[4 * index + 3] ?? 0) / 255),
      SIZE,
    );
    if (image) onDrawn(image);
  };
  return (
    <div class="pad">
      <canvas
        ref={canvas}
        width={SIZE}
        height={SIZE}
        role="img"
        aria-label="A pad to draw on; by keyboard, choose a digit above or a picture beside it"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          last.current = place(event);
          stroke(event);
        }}
        onPointerMove={stroke}
        onPointerUp={end}
        onPointerCancel={end}
      />
      <button onClick={() => canvas.current?.getContext('2d')?.clearRect(0, 0, SIZE, SIZE)}>Wipe</button>
    </div>
  );
}
