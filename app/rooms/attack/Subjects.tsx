import { DropZone } from '../../widgets/DropZone.js';
import { Picture } from '../../widgets/Picture.js';
import { DrawingPad } from './DrawingPad.js';
import { choose, digits, subject, takePicture } from './session.js';

/** What is attacked: one of ten digits, a drawing, or a picture of one's own. */
export function Subjects() {
  return (
    <section aria-label="What is attacked">
      <div class="digits" role="group" aria-label="A digit of the page">
        {digits.value.map((digit) => (
          <button
            key={digit.label}
            aria-label={`Digit ${digit.label}`}
            aria-pressed={subject.value?.pixels === digit.pixels}
            onClick={() => choose(digit)}
          >
            <Picture alt="" pixels={digit.pixels} height={28} width={28} />
          </button>
        ))}
      </div>
      <details>
        <summary>Draw one, or take a picture of your own</summary>
        <div class="columns own">
          <DrawingPad />
          <DropZone
            label="A picture of a digit: PNG or JPEG, dark on light or light on dark"
            accept="image/*"
            onFiles={([file]) => (file ? takePicture(file) : undefined)}
          />
        </div>
      </details>
    </section>
  );
}
