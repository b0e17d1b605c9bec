/* Elements that can be used but have no name, text whose contrast is too low, targets too small: [[what, detail], ...]. */
(rootSelector) => {
  const host = document.querySelector('kefu-chat');
  const root = rootSelector === 'widget' ? host.shadowRoot : document.body;
  const shown = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && node.getClientRects().length;
  const wrong = [];
  const name = (node) => node.getAttribute('aria-label') || node.labels?.[0]?.textContent || node.alt
    || (node.getAttribute('aria-labelledby') && node.getRootNode().getElementById(node.getAttribute('aria-labelledby'))?.textContent)
    || node.textContent.trim();
  for (const node of root.querySelectorAll('button, a[href], input, textarea, select, [role=dialog], [role=log], [role=tab], summary'))
    if (shown(node) && !name(node)) wrong.push(['no name', node.outerHTML.slice(0, 120)]);
  const ids = [...root.querySelectorAll('[id]')].map((node) => node.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(['id twice', id]);
  for (const node of root.querySelectorAll('img')) if (!node.hasAttribute('alt')) wrong.push(['no alt', node.src]);

  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const over = (top, under) => top.slice(0, 3).map((value, index) => value * top[3] + under[index] * (1 - top[3]));
  const parent = (node) => node.parentElement || node.getRootNode().host || null;
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = parent(at)) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3]) layers.push(color);
      if (color[3] === 1) break;
    }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let text; (text = walker.nextNode());) {
    const node = text.parentElement;
    if (!text.textContent.trim() || !node || !shown(node) || node.closest('.unseen, :disabled, style, option')) continue;
    const style = getComputedStyle(node);
    const under = ground(node);
    const [a, b] = [light(over(rgba(style.color), under)), light(under)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) wrong.push([`contrast ${ratio.toFixed(2)}`, `${node.className}: ${text.textContent.trim().slice(0, 40)}`]);
  }
  for (const node of root.querySelectorAll('button, input, textarea, select')) {
    const box = node.getBoundingClientRect();
    if (shown(node) && (box.width < 24 || box.height < 24) && node.type !== 'checkbox') wrong.push(['small target', node.outerHTML.slice(0, 120)]);
  }
  return wrong;
}
