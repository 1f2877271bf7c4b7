/** How far ops may be from their definitions, relative to the norm of these. */

/** f32 transcendental functions of the software adapters err by a few ulp: 2e-6 relative leaves a factor of about 8. */
export const FORWARD = 2e-6;
/** Products of up to four such factors in first derivatives, eight in second. */
export const FIRST = 2e-5;
export const SECOND = 1e-4;
/** One rounding to f16. */
export const HALF = 2 ** -11;
