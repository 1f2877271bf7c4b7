/** Set-up of a process of tests that lets others go before it. What it starts does so too. */
import { constants, setPriority } from 'node:os';

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
