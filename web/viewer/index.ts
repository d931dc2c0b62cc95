/**
 * The 12-lead viewer. Free of any framework: pure functions of data and scale (scale, layout, raster, evidence), and a thin
 * layer that puts them on a canvas (grid, sheet, beat).
 */
export * from './scale'
export * from './layout'
export * from './record'
export * from './evidence'
export * from './palette'
export * from './sheet'
export * from './beat'
