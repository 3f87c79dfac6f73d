// Whether the side panel takes the whole page. Lasts as long as the page.

import { create } from 'zustand';

export const usePanelSize = create<{ full: boolean }>(() => ({ full: false }));

export function setPanelFull(full: boolean): void {
  usePanelSize.setState({ full });
}
