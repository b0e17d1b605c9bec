/* The brand colour as text: moved towards black or white until it reads well on what lies behind it (WCAG asks for 4.5:1). */

function luminance(rgb) {
  const [r, g, b] = rgb.map((value) => ((value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function contrast(one, other) {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** `rgb` itself if it reads on `ground`, else the nearest mix with black (light ground) or white (dark ground) that does. */
export function readable(rgb, ground, least) {
  const towards = luminance(ground) > 0.18 ? 0 : 255;
  for (let share = 0; share <= 1; share += 0.05) {
    const mixed = rgb.map((value) => Math.round(value + (towards - value) * share));
    if (contrast(mixed, ground) >= least) return `rgb(${mixed.join(" ")})`;
  }
  return towards ? "#fff" : "#000";
}
