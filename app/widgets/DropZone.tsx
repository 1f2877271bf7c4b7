import { useId, useState } from 'preact/hooks';
import { sentenceOf } from '../sentence.js';
import { Problem } from './Problem.js';

/**
 * A place to drop files, or to choose them by a click or by keyboard. What `onFiles` throws is said beside it, as it is: it should be one
 * sentence, and leave everything as it was.
 */
export function DropZone(props: {
  readonly label: string;
  /** Kinds of files, as `accept` has them. */
  readonly accept: string;
  readonly multiple?: boolean;
  readonly onFiles: (files: readonly File[]) => Promise<void> | void;
}) {
  const id = useId();
  const [problem, setProblem] = useState<string>();
  const [over, setOver] = useState(false);
  const { label, accept, multiple = false, onFiles } = props;
  const take = async (files: FileList | null | undefined): Promise<void> => {
    if (!files || files.length === 0) return;
    try {
      await onFiles([...files]);
      setProblem(undefined);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };
  return (
    <div
      class={`drop ${over ? 'over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        void take(event.dataTransfer?.files);
      }}
    >
      <label for={id}>{label}</label>
      <input
        {...{ id, accept, multiple }}
        type="file"
        onChange={({ currentTarget }) => {
          void take(currentTarget.files).then(() => (currentTarget.value = ''));
        }}
      />
      <Problem text={problem} />
    </div>
  );
}
