/**
 * Where a list is: a row at the top and so many pixels of it above the edge, or its end. Pixels of the scroll bar are made
 * from that, never the other way round for small moves, so a list may be longer than the tallest element of a browser, and
 * rows that come before or behind never move what one looks at.
 */

/** Browsers draw nothing beyond about 16 million pixels. */
const SPACE_PX_MAX = 8_000_000;
/** Rows rendered beyond each edge. */
const BEYOND = 3;
/** A scroll by more than so many screens is a jump of the scroll bar. */
const JUMP_SCREENS = 1.5;
/** Heights that are remembered. */
const HEIGHTS_MAX = 20_000;

export interface ListExtent {
  readonly start: number;
  readonly end: number;
}

export class ListScroll {
  /** Height of a row; with measured ones what a row is before it was seen. */
  rowPx = 24;
  viewPx = 0;
  isFollowing: boolean;
  /** The first row on the screen, and what of it is above. */
  anchor = 0;
  offsetPx = 0;
  readonly #extent: () => ListExtent;
  /** Undefined where all rows have one height. */
  #heights: Map<number, number> | undefined;
  #heightsSum = 0;

  constructor(extent: () => ListExtent, isFollowing: boolean) {
    this.#extent = extent;
    this.isFollowing = isFollowing;
  }

  get isMeasured(): boolean {
    return this.#heights !== undefined;
  }

  setMeasured(isMeasured: boolean): void {
    if (isMeasured === this.isMeasured) return;
    this.#heights = isMeasured ? new Map() : undefined;
    this.#heightsSum = 0;
    this.offsetPx = 0;
  }

  /** Height of the element in which one scrolls. */
  get spacePx(): number {
    return Math.min(SPACE_PX_MAX, this.#wholePx);
  }

  /** Where the scroll bar stands for what is shown. */
  get scrollPx(): number {
    const scrollable = Math.max(0, this.spacePx - this.viewPx);
    if (this.isFollowing) return scrollable;
    const whole = Math.max(1, this.#wholePx - this.viewPx);
    const at = (this.anchor - this.#extent().start) * this.#averagePx + this.offsetPx;
    return Math.min(scrollable, Math.max(0, this.isExact ? at : (at / whole) * scrollable));
  }

  /** Pixels of the scroll bar are those of the rows. */
  get isExact(): boolean {
    return this.#heights === undefined && this.#wholePx <= SPACE_PX_MAX;
  }

  /** Rows to render. */
  get shown(): { readonly from: number; readonly to: number } {
    const { start, end } = this.#extent();
    const rows = Math.ceil(this.viewPx / this.rowPx) + 1;
    if (this.isFollowing) return { from: Math.max(start, end - rows), to: end };
    return { from: Math.max(start, this.anchor - BEYOND), to: Math.min(end, this.anchor + rows + BEYOND) };
  }

  /** How far the first rendered row is above the edge. */
  get abovePx(): number {
    const { from } = this.shown;
    let px = this.offsetPx;
    for (let id = from; id < this.anchor; id++) px += this.#heightOf(id);
    return px;
  }

  /** The user scrolled: small moves go by pixels, large ones by the part of the whole. */
  scrolled(deltaPx: number, scrollPx: number): void {
    if (this.isFollowing) this.stop();
    if (Math.abs(deltaPx) <= this.viewPx * JUMP_SCREENS && scrollPx > 0) this.moveBy(deltaPx);
    else {
      const scrollable = Math.max(1, this.spacePx - this.viewPx);
      const px = (scrollPx / scrollable) * Math.max(0, this.#wholePx - this.viewPx);
      this.anchor = this.#extent().start + Math.floor(px / this.#averagePx);
      this.offsetPx = px % this.#averagePx;
    }
    this.clamp();
  }

  moveBy(deltaPx: number): void {
    const { start, end } = this.#extent();
    this.offsetPx += deltaPx;
    while (this.offsetPx < 0 && this.anchor > start) this.offsetPx += this.#heightOf(--this.anchor);
    while (this.anchor < end - 1 && this.offsetPx >= this.#heightOf(this.anchor)) {
      this.offsetPx -= this.#heightOf(this.anchor++);
    }
    this.clamp();
  }

  /** Keeps within the list, also after it changed. Returns whether its last row is fully shown. */
  clamp(): boolean {
    const { start, end } = this.#extent();
    if (this.isFollowing) return true;
    if (this.anchor < start) {
      this.anchor = start;
      this.offsetPx = 0;
    }
    this.offsetPx = Math.max(0, this.offsetPx);
    // The top row when the last one is at the bottom.
    let left = this.viewPx;
    let last = end;
    while (last > start && left > 0) left -= this.#heightOf(--last);
    const lastOffset = Math.max(0, -left);
    const isAtEnd = this.anchor > last || (this.anchor === last && this.offsetPx >= lastOffset - 1);
    if (this.anchor > last || (this.anchor === last && this.offsetPx > lastOffset)) {
      this.anchor = Math.max(start, last);
      this.offsetPx = lastOffset;
    }
    return isAtEnd;
  }

  follow(): void {
    this.isFollowing = true;
  }

  /** Stays where it is now. */
  stop(): void {
    if (!this.isFollowing) return;
    this.isFollowing = false;
    this.anchor = this.#extent().end;
    this.offsetPx = 0;
    this.clamp();
  }

  /** Brings a row onto the screen: to the nearest edge, or to a third of the height. */
  reveal(id: number, isNearest: boolean): void {
    this.stop();
    const rows = Math.floor(this.viewPx / this.rowPx);
    const first = this.anchor + (this.offsetPx > 1 ? 1 : 0);
    if (isNearest && id >= first && this.#bottomOf(id) <= this.viewPx) return;
    if (isNearest && id < first && first - id < rows) {
      this.anchor = id;
      this.offsetPx = 0;
    } else if (isNearest && id >= first && id - first < rows * 2) {
      this.moveBy(this.#bottomOf(id) - this.viewPx);
    } else {
      this.anchor = id;
      this.offsetPx = 0;
      this.moveBy(-Math.floor(rows / 3) * this.rowPx);
    }
    this.clamp();
  }

  /** A rendered row was measured. Rows above the edge keep what is below them in place. Returns whether it is news. */
  measured(id: number, px: number): boolean {
    const heights = this.#heights;
    const before = heights?.get(id);
    if (heights === undefined || px <= 0 || before === px) return false;
    if (heights.size >= HEIGHTS_MAX) {
      heights.clear();
      this.#heightsSum = 0;
    }
    heights.set(id, px);
    this.#heightsSum += px - (heights.size === 1 ? 0 : (before ?? 0));
    return true;
  }

  #bottomOf(id: number): number {
    let px = -this.offsetPx;
    for (let each = this.anchor; each <= id; each++) px += this.#heightOf(each);
    return px;
  }

  get #averagePx(): number {
    const heights = this.#heights;
    return heights === undefined || heights.size === 0 ? this.rowPx : this.#heightsSum / heights.size;
  }

  get #wholePx(): number {
    const { start, end } = this.#extent();
    return (end - start) * this.#averagePx;
  }

  #heightOf(id: number): number {
    return this.#heights?.get(id) ?? this.rowPx;
  }
}
