"""Which texts of a page are too pale to be read: contrast by WCAG 2.2, success criterion 1.4.3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEAST, LEAST_LARGE = 4.5, 3.0
"""For texts, and for those of 24 px and more (18.66 px where bold)."""

_SCRIPT = """([least, large]) => {
  const parse = (text) => {
    const of = (text.match(/-?[\\d.]+(e-?\\d+)?/g) || []).map(Number);
    const by = text.startsWith('color(srgb') ? 255 : 1;
    return { rgb: of.slice(0, 3).map((one) => one * by), alpha: of.length > 3 ? of[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((one, at) => one * top.alpha + below[at] * (1 - top.alpha));
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.alpha === 1 ? own.rgb : over(own, ground(element.parentElement));
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((one) => one / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest('title')) continue;
    const style = getComputedStyle(element);
    const below = ground(element);
    const ink = over(parse(element.closest('svg') ? style.fill : style.color), below);
    const [dark, bright] = [luminance(ink), luminance(below)].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    seen += 1;
    if (ratio < (big ? large : least)) {
      const name = `${element.tagName}.${element.getAttribute('class') || ''}`;
      found.add(`${name} ${ratio.toFixed(2)} ${walker.currentNode.textContent.trim().slice(0, 30)}`);
    }
  }
  return { seen, found: [...found] };
}"""


def unreadable(page: Page) -> list[str]:
    """Texts with too little contrast, each with its element and ratio; what is closed or hidden is not looked at."""
    result = page.evaluate(_SCRIPT, [LEAST, LEAST_LARGE])
    assert result["seen"] > 20, "the page shows next to no text"
    found: list[str] = result["found"]
    return found
