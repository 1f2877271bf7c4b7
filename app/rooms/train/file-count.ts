/** Throws a sentence for a number of IDX files that cannot be sets of images and labels. */
export function checkCount(files: number): void {
  if (files !== 2 && files !== 4) {
    throw new Error(`${files} files: give two (images and labels), or four (of a training and a test set).`);
  }
}
