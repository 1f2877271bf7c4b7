import { useEffect, useState } from 'preact/hooks';
import { Problem } from '../../widgets/Problem.js';
import { Adapter } from './Adapter.js';
import { Limits } from './Limits.js';
import { SelfTest } from './SelfTest.js';
import { Tuning } from './Tuning.js';
import { checks, facts, memory, open, problem, tuned, variants } from './session.js';
import './device.css';

/** The room where one sees what the adapter is, whether its kernels are right, and which of them are fastest. */
export function DeviceRoom() {
  useEffect(() => void open(), []);
  const known = facts.value;
  return (
    <>
      <Problem text={problem.value} />
      {known ? (
        <>
          <Adapter facts={known} memory={memory.value} />
          <CopyAll />
          <SelfTest />
          <Tuning software={known.software} />
          <Limits facts={known} />
        </>
      ) : problem.value === undefined ? (
        <p role="status">Opening the adapter ...</p>
      ) : (
        <button onClick={() => void open()}>Try again</button>
      )}
    </>
  );
}

/** Everything that the room knows, for a bug report. */
function CopyAll() {
  const [said, setSaid] = useState('');
  const [shown, setShown] = useState(false);
  const text = JSON.stringify(
    {
      ...{ ...facts.value, memory: memory.value, variants: variants.value },
      ...{ tuned: tuned.value, checks: checks.value },
    },
    null,
    2,
  );
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied.');
    } catch {
      // Not every browser lets pages write to the clipboard.
      setShown(true);
      setSaid('This browser does not let the page copy: take it from below.');
    }
  };
  return (
    <div class="copy">
      <button onClick={() => void copy()}>Copy as JSON</button> <span role="status">{said}</span>
      {shown && <textarea readOnly rows={12} value={text} aria-label="Everything about this device, as JSON" />}
    </div>
  );
}
