import { useRef, useState } from 'preact/hooks';
import { Picture } from '../../widgets/Picture.js';
import { PAD, drawLine, type Place } from './drawing.js';
import { pad, takeDrawing } from './session.js';

/** How far an arrow key moves the pen, in cells: one pixel of MNIST. */
const KEY_STEP = 4;

const ARROWS: Readonly<Record<string, Place>> = {
  ArrowLeft: { x: -KEY_STEP, y: 0 },
  ArrowRight: { x: KEY_STEP, y: 0 },
  ArrowUp: { x: 0, y: -KEY_STEP },
  ArrowDown: { x: 0, y: KEY_STEP },
};

/** A pad to draw a digit on, by mouse, finger or pen; or by the arrow keys, where the space bar puts the pen down and lifts it. */
export function DrawingPad() {
  const last = useRef<Place | undefined>(undefined);
  const [pen, setPen] = useState<Place>({ x: PAD / 2, y: PAD / 4 });
  const [down, setDown] = useState(false);
  const [focused, setFocused] = useState(false);
  const draw = (from: Place, to: Place): void => {
    const drawn = pad.value.slice();
    drawLine(drawn, from, to);
    pad.value = drawn;
  };
  return (
    <div class="drawing">
      <div
        class="pad"
        role="application"
        tabIndex={0}
        aria-label="Drawing pad"
        aria-describedby="pad-keys"
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          last.current = placeOf(event);
          draw(last.current, last.current);
        }}
        onPointerMove={(event) => {
          if (!last.current) return;
          const place = placeOf(event);
          draw(last.current, place);
          last.current = place;
        }}
        onPointerUp={() => {
          last.current = undefined;
          takeDrawing();
        }}
        onPointerCancel={() => (last.current = undefined)}
        onKeyDown={(event) => {
          const move = ARROWS[event.key];
          if (!move && event.key !== ' ') return;
          event.preventDefault();
          if (!move) {
            if (!down) draw(pen, pen);
            else takeDrawing();
            setDown(!down);
            return;
          }
          const clamped = (value: number): number => Math.min(PAD - 1, Math.max(0, value));
          const next = { x: clamped(pen.x + move.x), y: clamped(pen.y + move.y) };
          if (down) draw(pen, next);
          setPen(next);
        }}
      >
        <Picture alt="" pixels={pad.value} height={PAD} width={PAD} />
        {focused && (
          <span
            class={`pen ${down ? 'down' : ''}`}
            style={{ left: `${(100 * pen.x) / PAD}%`, top: `${(100 * pen.y) / PAD}%` }}
          />
        )}
      </div>
      <p id="pad-keys" class="faint">
        Draw with mouse, finger or pen; or move the pen by the arrow keys, and put it down and lift it with the space
        bar.
      </p>
      <p>
        <button onClick={() => (pad.value = new Float32Array(PAD * PAD))}>Clear the pad</button>
      </p>
    </div>
  );
}

/** Where a pointer is, in cells. */
function placeOf({
  currentTarget,
  clientX,
  clientY,
}: Readonly<PointerEvent> & { readonly currentTarget: Element }): Place {
  const { left, top, width, height } = currentTarget.getBoundingClientRect();
  return { x: (PAD * (clientX - left)) / width, y: (PAD * (clientY - top)) / height };
}
