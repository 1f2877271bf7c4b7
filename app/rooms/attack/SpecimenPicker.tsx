import { DropZone } from '../../widgets/DropZone.js';
import { Picture } from '../../widgets/Picture.js';
import { DrawPad } from './DrawPad.js';
import { readPicture } from './read-picture.js';
import { digits, specimen } from './session.js';

/** The choice of an image: a digit of the page, a drawing, or a picture. */
export function SpecimenPicker() {
  return (
    <section aria-label="The image">
      <div class="digits" role="group" aria-label="Digits of the page">
        {digits.value.map((digit) => (
          <button
            key={digit.title}
            aria-pressed={specimen.value === digit}
            onClick={() => (specimen.value = digit)}
            aria-label={`The digit ${digit.title}`}
          >
            <Picture alt="" pixels={digit.pixels} height={28} width={28} />
          </button>
        ))}
      </div>
      <details>
        <summary>Draw one, or bring a picture</summary>
        <div class="columns">
          <DrawPad onDrawn={(pixels) => (specimen.value = { title: 'drawing', pixels, label: undefined })} />
          <DropZone
            label="A picture of a digit: PNG or JPEG"
            accept="image/png,image/jpeg"
            onFiles={async ([file]) => {
              if (!file) return;
              const pixels = await readPicture(file);
              specimen.value = { title: file.name, pixels, label: undefined };
            }}
          />
        </div>
      </details>
    </section>
  );
}
