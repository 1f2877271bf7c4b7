/** What tells the images that the page ships from others, in a run that learned from them. */
export const SHIPPED = 'shipped';
